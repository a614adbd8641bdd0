"""Connections, subscriptions and claims in the admin, and the actions of staff on claims.

Rows are written by services and are read-only here. An action is one service call behind a confirmation page that lists
the traders concerned. Lists run a fixed number of queries at any length.
"""

from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ChangeList
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html

from marketdata.admin import ReadOnlyAdmin, format_moment, moment_column
from subscriptions import selectors, services
from subscriptions.domain.claims import ClaimKind
from subscriptions.models import Claim, FeedConnection, Subscription
from subscriptions.permissions import OPERATE

NAMED: Final = 3  # chosen: as many claimants by name as one line of the list shows
MAX_CHOSEN: Final = 500  # chosen: a confirmation page that names more is not read


class SubscriptionList(ChangeList):
    """Change list that loads the claimants of the rows of one page in one query."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # A list fixes the page, so its ids are known: one query for all rows instead of one per row.
        self.result_list: Any = list(self.result_list)
        found = selectors.list_claimants(subscription_ids=[row.pk for row in self.result_list], named=NAMED)
        for row in self.result_list:
            row.claimants = found[row.pk]


class ClaimList(ChangeList):
    """Change list that counts the legs of the rows of one page in one query."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = list(self.result_list)
        found = selectors.count_legs(claim_ids=[row.pk for row in self.result_list])
        for row in self.result_list:
            row.leg_count = found.get(row.pk, 0)


@admin.register(FeedConnection)
class FeedConnectionAdmin(ReadOnlyAdmin):
    """The five connections with their load and owner."""

    list_display = ["number", "state", "fill", "since_moment", "owner", "epoch", "lease_until", "last_error"]
    list_display_links = ["number"]
    list_select_related = ["lease"]
    fields = ["number", "state", "fill", "since_moment", "owner", "epoch", "lease_until", "last_error"]
    ordering = ["number"]
    since_moment = moment_column("since", "since")

    @admin.display(description="load", ordering="load")
    def fill(self, row: FeedConnection) -> str:
        meter = '<meter min="0" max="{}" value="{}"></meter> {} of {}'
        return format_html(meter, row.capacity, row.load, f"{row.load:,}", f"{row.capacity:,}")

    @admin.display(ordering="lease__owner", empty_value="none")
    def owner(self, row: FeedConnection) -> str | None:
        return row.lease.owner or None

    @admin.display(ordering="lease__epoch")
    def epoch(self, row: FeedConnection) -> int:
        """Return the fencing token of the owner."""
        return row.lease.epoch

    @admin.display(description="lease until", ordering="lease__expires_at", empty_value="free")
    def lease_until(self, row: FeedConnection) -> str | None:
        return format_moment(row.lease.expires_at)


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    """Subscriptions with their connection and claimants."""

    list_display = [
        "instrument",
        "tier",
        "mode",
        "connection_number",
        "leaving",
        "since_moment",
        "claim_count",
        "held_by",
    ]
    since_moment = moment_column("since", "since")
    list_filter = ["tier", "connection", ("leaving_connection", admin.EmptyFieldListFilter)]
    list_select_related = ["instrument"]
    search_fields = ["instrument__token", "instrument__underlying_symbol"]
    search_help_text = "Part of a token or of an underlying"
    fields = ["instrument", "tier", "mode", "connection", "leaving_connection", "since", "format_claims"]
    ordering = ["-id"]

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:  # noqa: ARG002
        return SubscriptionList

    @admin.display(description="connection", ordering="connection")
    def connection_number(self, row: Subscription) -> int:
        return row.connection_id

    @admin.display(description="leaving", ordering="leaving_connection")
    def leaving(self, row: Subscription) -> int | None:
        """Return the old connection of a move under way."""
        return row.leaving_connection_id

    @admin.display(description="claims")
    def claim_count(self, row: Any) -> int:
        claimants: selectors.Claimants = row.claimants
        return claimants.claims

    @admin.display(description="held by", empty_value="no trader")
    def held_by(self, row: Any) -> str | None:
        claimants: selectors.Claimants = row.claimants
        return ", ".join(claimants.users) + (" and others" if claimants.has_more else "") or None

    @admin.display(description="claims")
    def format_claims(self, row: Subscription) -> str:
        claims = Claim.objects.filter(legs__subscription=row).select_related("instrument", "user", "rule")
        return "\n".join(f"{one.subject} · {one.kind} · tier {one.tier} · {_claimant(one)}" for one in claims)


class EvictForm(forms.Form):
    """The reason that staff give for an eviction."""

    reason = forms.CharField(max_length=32, initial="STAFF", help_text="Shown in the audit log and to the traders.")


@admin.register(Claim)
class ClaimAdmin(ReadOnlyAdmin):
    """Claims. Evicting and pinning concern the whole chain: all tier-A claims on the same chain or instrument."""

    list_display = ["subject", "kind", "tier", "claimant", "pinned", "leg_count", "viewed", "claimed"]
    viewed = moment_column("last_viewed_at", "viewed")
    claimed = moment_column("claimed_at", "claimed")
    list_filter = ["tier", "kind", "is_pinned"]
    list_select_related = ["instrument", "user", "rule"]
    search_fields = ["underlying_symbol", "instrument__token", "user__username"]
    search_help_text = "Part of an underlying, a token or a trader's name"
    fields = ["subject", "kind", "tier", "claimant", "pinned", "viewed", "claimed", "format_connections", "format_legs"]
    ordering = ["-id"]
    actions = ["evict", "pin", "unpin"]

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:  # noqa: ARG002
        return ClaimList

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(OPERATE)

    @admin.display(description="claim", ordering=Coalesce("instrument__token", F("underlying_symbol")))
    def subject(self, row: Claim) -> str:
        return row.subject

    @admin.display(description="claimed by", ordering="user__username")
    def claimant(self, row: Claim) -> str:
        """Return the trader, the rule, the chains of a spot, or the browsers of a view."""
        return _claimant(row)

    @admin.display(ordering="is_pinned", empty_value="")
    def pinned(self, row: Claim) -> str | None:
        return "pinned" if row.is_pinned else None

    @admin.display(description="legs")
    def leg_count(self, row: Any) -> int:
        count: int = row.leg_count
        return count

    @admin.display(description="connections")
    def format_connections(self, row: Claim) -> str:
        found = selectors.list_claim_connections([row.pk]).get(row.pk, {})
        return ", ".join(f"{count} on {number}" for number, count in found.items())

    @admin.display(description="legs")
    def format_legs(self, row: Claim) -> str:
        tokens = row.legs.order_by("subscription__instrument_id")
        return ", ".join(tokens.values_list("subscription__instrument__token", flat=True))

    @admin.action(permissions=["operate"], description="Evict: stop streaming and notify the traders")
    def evict(self, request: HttpRequest, queryset: QuerySet[Claim]) -> HttpResponse | None:
        return self._run(request, queryset, act="evict", verb="Evict")

    @admin.action(permissions=["operate"], description="Pin: never evict")
    def pin(self, request: HttpRequest, queryset: QuerySet[Claim]) -> HttpResponse | None:
        return self._run(request, queryset, act="pin", verb="Pin")

    @admin.action(permissions=["operate"], description="Unpin: may be evicted again")
    def unpin(self, request: HttpRequest, queryset: QuerySet[Claim]) -> HttpResponse | None:
        return self._run(request, queryset, act="unpin", verb="Unpin")

    def _run(self, request: HttpRequest, queryset: QuerySet[Claim], *, act: str, verb: str) -> HttpResponse | None:
        # "Select all" may choose 25,000 claims: read one more than permitted, to refuse without loading all.
        chosen = list(queryset.order_by("pk").values_list("pk", flat=True)[: MAX_CHOSEN + 1])
        if len(chosen) > MAX_CHOSEN:
            self.message_user(request, f"Choose at most {MAX_CHOSEN} claims at a time.", messages.ERROR)
            return None
        affected = selectors.list_affected(claim_ids=chosen)
        if not affected.chains:
            self.message_user(
                request, "No tier-A claim was chosen. Tier B and spots cannot be evicted or pinned.", messages.WARNING
            )
            return None
        # First the action is posted from the list, then again from the confirmation page, which adds "confirmed".
        form = (EvictForm if act == "evict" else forms.Form)(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            return self._confirm(request, affected, chosen, form, act=act, verb=verb)
        message = _dispatch(act, chosen, actor=request.user.get_username(), reason=form.cleaned_data.get("reason", ""))
        self.message_user(request, message, messages.SUCCESS)
        return None

    def _confirm(
        self,
        request: HttpRequest,
        affected: selectors.Affected,
        chosen: Sequence[int],
        form: forms.Form,
        *,
        act: str,
        verb: str,
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{verb} {_count(len(affected.chains), 'chain or instrument')}?",
            "opts": self.opts,
            "affected": affected,
            "chosen": chosen,
            "form": form,
            "act": act,
            "verb": verb,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/subscriptions/claim/confirm.html", context)


def _dispatch(act: str, claim_ids: Sequence[int], *, actor: str, reason: str) -> str:
    """Run a confirmed action; return the message on its result."""
    now = timezone.now()
    if act == "evict":
        evicted = services.evict_chains(claim_ids=claim_ids, actor=actor, reason=reason, now=now)
        notified = sorted({name for chain in evicted for name in chain.usernames})
        subjects = ", ".join(chain.subject for chain in evicted)
        ended = _count(sum(chain.released for chain in evicted), "instrument")
        return f"Evicted {subjects}: {ended} stopped streaming. Notified: {', '.join(notified) or 'no trader'}."
    is_pinned = act == "pin"
    count = services.set_pinned(claim_ids=claim_ids, is_pinned=is_pinned, actor=actor, now=now)
    return f"{'Pinned' if is_pinned else 'Unpinned'} {_count(count, 'claim')}."


def _count(number: int, noun: str) -> str:
    """Return a number with its noun in the right form.

    >>> _count(2, "chain or instrument")
    '2 chains or instruments'
    """
    if number != 1:
        noun = " or ".join(f"{one}s" for one in noun.split(" or "))
    return f"{number:,} {noun}"


def _claimant(claim: Claim) -> str:
    if claim.user is not None:
        return claim.user.get_username()
    if claim.kind == ClaimKind.VIEW:
        return "browsers"
    return f"rule {claim.rule}" if claim.rule is not None else "chains"
