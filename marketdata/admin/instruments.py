"""Instruments, imports and windows in the admin: written by the import and by services, and read-only here.

Staff start a dry run of an import, and accept the difference of a file from the list. Index spellings are editable.
"""

from typing import Any, Final

from celery import current_app
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from kombu.exceptions import OperationalError

from marketdata import quote_board
from marketdata.admin.read_only import ReadOnlyAdmin
from marketdata.models import AtmCache, IndexSpelling, Instrument, InstrumentImport

# Names of buttons in posted forms.
DRY_RUN: Final = "_dry_run"
ACCEPT: Final = "_accept"
IMPORT_TASK: Final = "marketdata.tasks.import_instruments"
IMPORT_QUEUE: Final = "default"
_GROUP_TABLE: Final = (
    "<table><thead><tr><th>Exchange</th><th>Segment</th><th>Kind</th><th>Listed</th><th>Remaining</th><th>New</th></tr>"
    "</thead><tbody>{}</tbody></table>"
)
_GROUP_ROW: Final = "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>"


@admin.register(Instrument)
class InstrumentAdmin(ReadOnlyAdmin):
    """Listed and former instruments; the search matches the start of a token, by index."""

    list_display = [
        "token",
        "exchange",
        "instrument_type",
        "expiry",
        "strike",
        "option_type",
        "lot_size",
        "underlying",
        "is_listed",
    ]
    list_filter = ["is_listed", "exchange_segment", "instrument_type"]
    list_select_related = ["underlying"]
    search_fields = ["token__startswith"]
    ordering = ["-id"]
    raw_id_fields = ["underlying"]


@admin.register(InstrumentImport)
class InstrumentImportAdmin(ReadOnlyAdmin):
    """All imports with their counts, newest first, and the difference of each file from the list.

    Staff start a dry run, and accept the findings of a refused import or a dry run. The work worker imports: that takes
    seconds of processor time, which a web process must not spend.
    """

    list_display = [
        "started_at",
        "outcome",
        "source",
        "as_of",
        "rows_read",
        "rows_kept",
        "inserted",
        "changed",
        "delisted",
        "first_finding",
    ]
    fields = [
        "outcome",
        "format_refusal",
        "format_notes",
        "format_groups",
        "source",
        "layout",
        "as_of",
        "started_at",
        "finished_at",
        "rows_read",
        "rows_kept",
        "format_skipped",
        "inserted",
        "changed",
        "delisted",
        "accepts",
        "actor",
    ]
    ordering = ["-id"]
    change_list_template = "admin/marketdata/instrumentimport/change_list.html"
    change_form_template = "admin/marketdata/instrumentimport/change_form.html"

    @admin.display(description="outcome")
    def outcome(self, row: InstrumentImport) -> str:
        """Return what became of the file."""
        refused = "refused" if row.refusal else "accepted"
        return f"dry run, would be {refused}" if row.is_dry_run else refused

    @admin.display(description="refusal")
    def first_finding(self, row: InstrumentImport) -> str:
        """Return the first finding and the number of the others, or the refusal for another reason."""
        first, *others = [one["sentence"] for one in row.findings] or [row.refusal]
        return f"{first} {len(others)} more." if others else first

    @admin.display(description="refusal", empty_value="none")
    def format_refusal(self, row: InstrumentImport) -> str | None:
        """Return the findings as a list; the text of a refusal for another reason."""
        sentences = [one["sentence"] for one in row.findings]
        if not sentences:
            return row.refusal or None
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((one,) for one in sentences)))

    @admin.display(description="skipped", empty_value="none")
    def format_skipped(self, row: InstrumentImport) -> str | None:
        return ", ".join(f"{count:,} {reason}" for reason, count in row.skipped.items()) or None

    @admin.display(description="notes", empty_value="none")
    def format_notes(self, row: InstrumentImport) -> str | None:
        return " ".join(row.notes) or None

    @admin.display(description="difference", empty_value="not compared")
    def format_groups(self, row: InstrumentImport) -> str | None:
        """Return the table of listed rows in force, and of remaining and new rows of the file; changed groups first."""
        if not row.groups:
            return None
        changed_first = sorted(row.groups, key=lambda one: one["listed"] == one["remaining"] == one["kept"])
        cells = (
            (
                one["exchange"],
                one["segment"],
                one["kind"],
                f"{one['listed']:,}",
                f"{one['remaining']:,}",
                f"{one['kept'] - one['remaining']:,}",
            )
            for one in changed_first
        )
        body = format_html_join("", _GROUP_ROW, cells)
        return format_html(_GROUP_TABLE, body)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list; start a dry run if its button was pressed."""
        if request.method == "POST" and DRY_RUN in request.POST:
            return self._start(request, is_dry_run=True)
        return super().changelist_view(request, {**(extra_context or {}), "may_accept": _may_accept(request)})

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the record; start an import that accepts its findings if its button was pressed."""
        record = self.get_object(request, object_id) if object_id else None
        can_accept = record is not None and bool(record.findings) and _may_accept(request)
        if request.method == "POST" and ACCEPT in request.POST and record is not None:
            return self._start(request, source=record.source, accepts=record.pk)
        return super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), "can_accept": can_accept}
        )

    def _start(self, request: HttpRequest, **options: Any) -> HttpResponse:
        if not _may_accept(request):
            raise PermissionDenied
        actor = request.user.get_username()
        try:
            # First, within the deadline of a request: Celery's own timeouts are those of a worker, ten seconds.
            quote_board.connect().ping()
            # By name: tasks and admin are both shells, and neither imports the other.
            current_app.send_task(IMPORT_TASK, kwargs={**options, "actor": actor}, queue=IMPORT_QUEUE, retry=False)
        except (OperationalError, quote_board.BoardError) as error:
            self.message_user(request, f"Not started, Redis does not answer: {error}", messages.ERROR)
        else:
            self.message_user(request, "Started. The record appears here in some seconds; reload.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:marketdata_instrumentimport_changelist"))


def _may_accept(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("marketdata.accept_import"))


class IndexSpellingForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """Form of a spelling; both symbols become upper case, as the import compares them."""

    class Meta:
        model = IndexSpelling
        fields = ["spelling", "symbol"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        return {name: " ".join(text.upper().split()) for name, text in cleaned.items()}


@admin.register(IndexSpelling)
class IndexSpellingAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """The symbols in rows of indices that differ from those of their derivatives; the next import uses them."""

    form = IndexSpellingForm
    list_display = ["spelling", "symbol"]
    ordering = ["spelling"]


@admin.register(AtmCache)
class AtmCacheAdmin(ReadOnlyAdmin):
    """The last calculated windows."""

    list_display = ["underlying_symbol", "expiry", "width", "ltp", "atm", "strike_step", "calculated_at"]
    list_filter = ["underlying_symbol"]
    ordering = ["-calculated_at"]
