"""Instruments, imports and windows in the admin: to look at. Imports write them; nobody edits what is listed.

An access token is entered here and never shown again: its last four characters and its end are. The calendar is edited.
"""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Case, QuerySet, When
from django.db.models.expressions import Combinable
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from marketdata import selectors, services
from marketdata.dhan.sealing import SealError
from marketdata.dhan.tokens import TokenMalformed
from marketdata.models import AtmCache, BrokerSession, Instrument, InstrumentImport, MarketSession


def format_moment(at: datetime | None) -> str | None:
    """Return a moment in IST to the second; where a column is narrow it breaks between date and time only."""
    return f"{timezone.localtime(at):%d\N{NO-BREAK SPACE}%b\N{NO-BREAK SPACE}%Y %H:%M:%S}" if at else None


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """A table that machines write and staff look at; lists count what is shown and nothing more."""

    show_full_result_count = False
    # Counts beside the filters would count the whole table once for each.
    show_facets = admin.ShowFacets.NEVER

    def has_add_permission(self, *_: Any, **__: Any) -> bool:
        """Nobody adds here."""
        return False

    def has_change_permission(self, *_: Any, **__: Any) -> bool:
        """Nobody edits here."""
        return False

    def has_delete_permission(self, *_: Any, **__: Any) -> bool:
        """Nobody deletes here."""
        return False


@admin.register(Instrument)
class InstrumentAdmin(ReadOnlyAdmin):
    """What is or was listed. Searched by the beginning of a token."""

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
    """Every import with its counts, newest first."""

    list_display = [
        "started_at",
        "source",
        "as_of",
        "rows_read",
        "rows_kept",
        "inserted",
        "changed",
        "delisted",
        "refusal",
    ]
    ordering = ["-id"]


@admin.register(AtmCache)
class AtmCacheAdmin(ReadOnlyAdmin):
    """Windows as last calculated."""

    list_display = ["underlying_symbol", "expiry", "width", "ltp", "atm", "strike_step", "calculated_at"]
    list_filter = ["underlying_symbol"]
    ordering = ["-calculated_at"]


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """A client id and a token, which the page never holds again, not even beside an error."""

    access_token = forms.CharField(
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "size": 60}),
        help_text="Stored encrypted and never shown again. Connections take it up within seconds.",
    )

    class Meta:
        model = BrokerSession
        fields = ["client_id"]

    def clean(self) -> dict[str, Any]:
        """Refuse, in words, what cannot be a token of this account."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if "client_id" in given and "access_token" in given:
            try:
                services.check_token(
                    client_id=given["client_id"], access_token=given["access_token"], now=timezone.now()
                )
            except (TokenMalformed, SealError) as refusal:
                raise forms.ValidationError(str(refusal)) from None
        return given


@admin.register(BrokerSession)
class BrokerSessionAdmin(ReadOnlyAdmin):
    """The tokens that were in force, newest first, with who brought them; and the form for the next one."""

    form = TokenForm
    list_display = ["client_id", "ending", "state", "expires", "method", "stored_moment", "stored_by"]
    list_display_links = ["client_id"]
    # No field that is not named here is ever shown: the token is stored in one of the others.
    fields = ["client_id", "ending", "state", "expires", "method", "stored_moment", "stored_by"]
    ordering = ["-id"]

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        """Let staff with the permission to add a broker session enter a token."""
        return bool(request.user.has_perm("marketdata.add_brokersession"))

    def get_fields(
        self,
        request: HttpRequest,  # noqa: ARG002  The framework's signature.
        obj: BrokerSession | None = None,
    ) -> list[Any]:
        """Ask for the token where a new one is entered."""
        return ["client_id", "access_token"] if obj is None else list(self.fields)

    @method_decorator(sensitive_post_parameters("access_token"))
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Take a token in; no error page shows it."""
        return super().add_view(request, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: BrokerSession, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001  The framework's signature.
        """Store the token; the admin's own log says who did and when."""
        stored = services.store_token(
            client_id=form.cleaned_data["client_id"],
            access_token=form.cleaned_data["access_token"],
            stored_by=request.user.get_username(),
            now=timezone.now(),
        )
        obj.pk, obj.last_four, obj.method, obj.stored_by = stored.pk, stored.last_four, stored.method, stored.stored_by

    @admin.display(description="token ends in")
    def ending(self, row: BrokerSession) -> str | None:
        """Show as much of the token as is ever shown."""
        return row.last_four or None

    @admin.display(description="expires", ordering="expires_at")
    def expires(self, row: BrokerSession) -> str | None:
        """Say when the token ends, or that it does not say."""
        return format_moment(row.expires_at) or "unknown: the token does not say"

    @admin.display(description="stored", ordering="stored_at")
    def stored_moment(self, row: BrokerSession) -> str | None:
        """Say when it was stored."""
        return format_moment(row.stored_at)

    @admin.display(description="state")
    def state(self, row: BrokerSession) -> str:
        """Say how the token in force is, in the words of health."""
        if not row.is_current:
            return "replaced"
        return selectors.get_access_token_status(now=timezone.now()).problem or "in force"


@admin.register(MarketSession)
class MarketSessionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """The calendar: staff add holidays, enter the hours of Muhurat, and see what is missing."""

    list_display = ["day", "exchange_segment", "kind", "opens", "closes", "frozen_from", "note", "source"]
    list_filter = ["exchange_segment", "kind"]
    list_editable = ["opens", "closes"]
    list_per_page = 40
    date_hierarchy = "day"
    search_fields = ["note", "source"]
    show_full_result_count = False
    actions = ["make_holidays"]

    def get_ordering(self, _request: HttpRequest) -> list[str | Combinable]:
        """Let today come first and what is over last."""
        is_over = Case(When(day__lt=selectors.market_today(), then=1), default=0)
        return [is_over, "day", "exchange_segment"]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the calendar, and above it what it does not know."""
        today = selectors.market_today()
        lack = selectors.next_trading_day_missing(today=today)
        years = selectors.list_unknown_years(today=today)
        if lack is not None or years:
            unknown = "".join(f" {year} has no sessions yet." for year in years)
            self.message_user(request, f"{lack or ''}{unknown}".strip(), messages.WARNING)
        return super().changelist_view(request, extra_context)

    @admin.action(description="Make these days holidays", permissions=["change"])
    def make_holidays(self, request: HttpRequest, chosen: QuerySet[MarketSession]) -> None:
        """Close the segments of the chosen rows on their days."""
        count = services.make_holidays(
            session_ids=list(chosen.values_list("pk", flat=True)), source=f"entered by {request.user.get_username()}"
        )
        self.message_user(request, f"{count} days are holidays now.", messages.SUCCESS)
