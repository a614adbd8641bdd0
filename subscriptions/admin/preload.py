"""Preload rules in the admin: the one table of this app that staff edit.

A rule is validated against the listing before it is saved. A dry run shows the targets of a rule, saved or not.
"""

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from marketdata import selectors as market_selectors
from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.symbols import canonical_symbol
from subscriptions import selectors
from subscriptions.domain.preload import Rule
from subscriptions.models import PreloadRule

PREVIEW = "_preview"
COUNTS: Final = ("weekly", "monthly", "quarterly", "strikes", "futures")


class PreloadRuleForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """Form of a rule that takes expiries or futures of a listed underlying."""

    class Meta:
        model = PreloadRule
        fields = ["profile", "position", "exchange_segment", "underlying_symbol", *COUNTS, "is_active"]

    def clean_underlying_symbol(self) -> str:
        """Accept aliases, as the search does."""
        return canonical_symbol(self.cleaned_data["underlying_symbol"])

    def clean(self) -> dict[str, Any]:
        """Require that the rule takes something, and that derivatives of its underlying are listed in the segment."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        expiries = cleaned["weekly"] + cleaned["monthly"] + cleaned["quarterly"]
        strikes, futures = cleaned["strikes"], cleaned["futures"]
        # Each rule needs a complete pair: expiries without strikes, or strikes without expiries, take nothing.
        if expiries and not strikes:
            self.add_error("strikes", "The rule takes expiries: enter the number of strikes of each.")
        if strikes and not expiries:
            self.add_error("strikes", "The rule has strikes, but no weekly, monthly or quarterly expiries.")
        if not expiries and not futures:
            self.add_error(None, "This rule takes nothing: enter expiries and strikes, or futures.")
        self._check_listed(ExchangeSegment(cleaned["exchange_segment"]), cleaned["underlying_symbol"])
        return cleaned

    def rule(self) -> Rule:
        """Return the rule of a valid form."""
        values = self.cleaned_data
        numbers = {name: values[name] for name in COUNTS}
        segment = ExchangeSegment(values["exchange_segment"])
        return Rule(self.instance.pk or 0, segment, values["underlying_symbol"], **numbers)

    def _check_listed(self, segment: ExchangeSegment, symbol: str) -> None:
        today = market_selectors.market_today()
        listed = market_selectors.list_contracts(underlyings=[(segment, symbol)], from_date=today)[segment, symbol]
        if not listed.option_expiries and not listed.futures:
            self.add_error("underlying_symbol", f"No options or futures on {symbol} are listed in {segment.name}.")


@admin.register(PreloadRule)
class PreloadRuleAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """Preload rules: the targets of tier B by underlying."""

    form = PreloadRuleForm
    list_display = ["profile", "position", "underlying_symbol", "exchange_segment", *COUNTS, "is_active"]
    list_display_links = ["underlying_symbol"]
    list_filter = ["profile", "is_active"]
    ordering = ["profile", "position"]
    change_form_template = "admin/subscriptions/preloadrule/change_form.html"

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the dry run of a valid rule if the preview button was pressed; else edit the rule."""
        if request.method == "POST" and PREVIEW in request.POST:
            found = self.get_object(request, object_id) if object_id else None
            # Django checks permissions in its own view, which a preview does not reach.
            is_allowed = self.has_change_permission(request, found) if found else self.has_add_permission(request)
            form = PreloadRuleForm(request.POST, instance=found)
            if is_allowed and form.is_valid():
                return self._preview(request, form.rule())
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _preview(self, request: HttpRequest, rule: Rule) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"Dry run of the rule for {rule}",
            "opts": self.opts,
            "rule": rule,
            "preview": selectors.preview_rule(rule=rule),
        }
        return TemplateResponse(request, "admin/subscriptions/preloadrule/preview.html", context)
