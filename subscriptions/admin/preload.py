"""Preload rules in the admin: the one table of this app that staff write.

A rule is checked against what is listed before it is saved, and a dry run shows what it would hold, saved or not.
"""

from typing import Any

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


class PreloadRuleForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """A rule that takes something of something listed."""

    class Meta:
        model = PreloadRule
        fields = [
            "profile",
            "position",
            "exchange_segment",
            "underlying_symbol",
            "weekly",
            "monthly",
            "quarterly",
            "strikes",
            "futures",
            "is_active",
        ]

    def clean_underlying_symbol(self) -> str:
        """Take any name that a search would."""
        return canonical_symbol(self.cleaned_data["underlying_symbol"])

    def clean(self) -> dict[str, Any]:
        """Insist that the rule takes something, and that its underlying has derivatives there."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        expiries = cleaned["weekly"] + cleaned["monthly"] + cleaned["quarterly"]
        strikes, futures = cleaned["strikes"], cleaned["futures"]
        if expiries and not strikes:
            self.add_error("strikes", "Expiries are taken, so say how many strikes of each.")
        if strikes and not expiries:
            self.add_error(
                "strikes", "Strikes are given, but no weekly, monthly or quarterly expiries to take them of."
            )
        if not expiries and not futures:
            self.add_error(None, "This rule takes nothing: give it expiries and strikes, or futures.")
        segment, symbol = ExchangeSegment(cleaned["exchange_segment"]), cleaned["underlying_symbol"]
        self._check_listed(segment, symbol)
        return cleaned

    def rule(self) -> Rule:
        """Return the rule of a valid form, as it would be in force."""
        values = self.cleaned_data
        numbers = {name: values[name] for name in ("weekly", "monthly", "quarterly", "strikes", "futures")}
        segment = ExchangeSegment(values["exchange_segment"])
        return Rule(self.instance.pk or 0, segment, values["underlying_symbol"], **numbers)

    def _check_listed(self, segment: ExchangeSegment, symbol: str) -> None:
        today = market_selectors.market_today()
        listed = market_selectors.list_contracts(underlyings=[(segment, symbol)], from_date=today)[segment, symbol]
        if not listed.option_expiries and not listed.futures:
            self.add_error("underlying_symbol", f"No options or futures on {symbol} are listed in {segment.name}.")


@admin.register(PreloadRule)
class PreloadRuleAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """What tier B holds of each underlying."""

    form = PreloadRuleForm
    list_display = [
        "profile",
        "position",
        "underlying_symbol",
        "exchange_segment",
        "weekly",
        "monthly",
        "quarterly",
        "strikes",
        "futures",
        "is_active",
    ]
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
        """Show what a valid rule would hold where that was asked for; else edit as ever."""
        if request.method == "POST" and PREVIEW in request.POST:
            found = self.get_object(request, object_id) if object_id else None
            is_allowed = self.has_change_permission(request, found) if found else self.has_add_permission(request)
            form = PreloadRuleForm(request.POST, instance=found)
            if is_allowed and form.is_valid():
                return self._preview(request, form.rule())
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _preview(self, request: HttpRequest, rule: Rule) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"What the rule of {rule} would hold",
            "opts": self.opts,
            "rule": rule,
            "preview": selectors.preview_rule(rule=rule),
        }
        return TemplateResponse(request, "admin/subscriptions/preloadrule/preview.html", context)
