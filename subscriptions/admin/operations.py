"""What runs now, in the admin: connections, subscriptions, and claims with the acts of staff on them.

Everything here is written by services and only read here; an act is one service call behind a page that says whom
it affects. Lists take a fixed number of questions, whatever their length.
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

from marketdata.admin import ReadOnlyAdmin, format_moment
from subscriptions import selectors, services
from subscriptions.models import Claim, FeedConnection, Subscription
from subscriptions.permissions import OPERATE

# Of those who hold a subscription, how many are named in a line of the list.
NAMED: Final = 3
# More are not acted upon at once: nobody reads a page that names them all.
MAX_CHOSEN: Final = 500


class SubscriptionList(ChangeList):
    """Looks up the holders of the lines that are shown, when it is known which: in a query of its own, not per row."""

    def get_results(self, request: HttpRequest) -> None:
        """Find the lines of this page."""
        super().get_results(request)
        self.result_list: Any = list(self.result_list)
        found = selectors.list_claimants(subscription_ids=[row.pk for row in self.result_list], named=NAMED)
        for row in self.result_list:
            row.holders = found[row.pk]


class ClaimList(ChangeList):
    """Counts the legs of the lines that are shown."""

    def get_results(self, request: HttpRequest) -> None:
        """Find the lines of this page."""
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

    @admin.display(description="load", ordering="load")
    def fill(self, row: FeedConnection) -> str:
        """Say how much of the connection is used."""
        return format_html(
            '<meter min="0" max="{}" value="{}"></meter> {} of {}',
            row.capacity,
            row.load,
            f"{row.load:,}",
            f"{row.capacity:,}",
        )

    @admin.display(description="since", ordering="since")
    def since_moment(self, row: FeedConnection) -> str | None:
        """Say when it came into this state."""
        return format_moment(row.since)

    @admin.display(ordering="lease__owner", empty_value="nobody")
    def owner(self, row: FeedConnection) -> str | None:
        """Say who owns it by its lease."""
        return row.lease.owner or None

    @admin.display(ordering="lease__epoch")
    def epoch(self, row: FeedConnection) -> int:
        """Say how often it changed its owner."""
        return row.lease.epoch

    @admin.display(description="lease until", ordering="lease__expires_at", empty_value="free")
    def lease_until(self, row: FeedConnection) -> str | None:
        """Say until when the owner lives if it says nothing more."""
        return format_moment(row.lease.expires_at)


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    """What streams, where, and for whom."""

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
    list_filter = ["tier", "connection", ("leaving_connection", admin.EmptyFieldListFilter)]
    list_select_related = ["instrument"]
    search_fields = ["instrument__token", "instrument__underlying_symbol"]
    search_help_text = "Part of a token or of an underlying"
    fields = ["instrument", "tier", "mode", "connection", "leaving_connection", "since", "claims_in_words"]
    ordering = ["-id"]

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:  # noqa: ARG002
        """Return the list that knows the holders of its lines."""
        return SubscriptionList

    @admin.display(description="connection", ordering="connection")
    def connection_number(self, row: Subscription) -> int:
        """Say where it streams."""
        return row.connection_id

    @admin.display(description="leaving", ordering="leaving_connection")
    def leaving(self, row: Subscription) -> int | None:
        """Say where it streams still, while it moves."""
        return row.leaving_connection_id

    @admin.display(description="since", ordering="since")
    def since_moment(self, row: Subscription) -> str | None:
        """Say since when it is wanted."""
        return format_moment(row.since)

    @admin.display(description="claims")
    def claim_count(self, row: Any) -> int:
        """Say how many claims hold it."""
        holders: selectors.Claimants = row.holders
        return holders.claims

    @admin.display(description="held by", empty_value="nobody by name")
    def held_by(self, row: Any) -> str | None:
        """Name the first of those who hold it."""
        holders: selectors.Claimants = row.holders
        return ", ".join(holders.users) + (" and others" if holders.has_more else "") or None

    @admin.display(description="claims")
    def claims_in_words(self, row: Subscription) -> str:
        """Name all claims that hold it."""
        claims = Claim.objects.filter(legs__subscription=row).select_related("instrument", "user", "rule")
        return "\n".join(f"{_subject(one)} · {one.kind} · tier {one.tier} · {_holder(one)}" for one in claims)


class EvictForm(forms.Form):
    """What staff say when they evict."""

    reason = forms.CharField(max_length=32, initial="STAFF", help_text="Goes to the audit log, and to the traders.")


@admin.register(Claim)
class ClaimAdmin(ReadOnlyAdmin):
    """Who wants what. Evicting and pinning reach the whole chain: every tier-A claim on the same thing."""

    list_display = [
        "subject",
        "kind",
        "tier",
        "holder",
        "pinned",
        "leg_count",
        "viewed",
        "claimed",
    ]
    list_filter = ["tier", "kind", "is_pinned"]
    list_select_related = ["instrument", "user", "rule"]
    search_fields = ["underlying_symbol", "instrument__token", "user__username"]
    search_help_text = "Part of an underlying, a token or a trader's name"
    fields = [
        "subject",
        "kind",
        "tier",
        "holder",
        "pinned",
        "viewed",
        "claimed",
        "connections_in_words",
        "legs_in_words",
    ]
    ordering = ["-id"]
    actions = ["evict", "pin", "unpin"]

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:  # noqa: ARG002
        """Return the list that knows the legs of its lines."""
        return ClaimList

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the acts are offered, and obeyed."""
        return request.user.has_perm(OPERATE)

    @admin.display(description="claim", ordering=Coalesce("instrument__token", F("underlying_symbol")))
    def subject(self, row: Claim) -> str:
        """Name what is claimed."""
        return _subject(row)

    @admin.display(description="who", ordering="user__username")
    def holder(self, row: Claim) -> str:
        """Name who wants it."""
        return _holder(row)

    @admin.display(ordering="is_pinned", empty_value="")
    def pinned(self, row: Claim) -> str | None:
        """Say whether it is spared from eviction."""
        return "pinned" if row.is_pinned else None

    @admin.display(ordering="last_viewed_at")
    def viewed(self, row: Claim) -> str | None:
        """Say when somebody last looked at it."""
        return format_moment(row.last_viewed_at)

    @admin.display(ordering="claimed_at")
    def claimed(self, row: Claim) -> str | None:
        """Say since when it is wanted."""
        return format_moment(row.claimed_at)

    @admin.display(description="legs")
    def leg_count(self, row: Any) -> int:
        """Say how many instruments it holds."""
        count: int = row.leg_count
        return count

    @admin.display(description="connections")
    def connections_in_words(self, row: Claim) -> str:
        """Say how many of its legs are on each connection."""
        found = selectors.list_claim_connections([row.pk]).get(row.pk, {})
        return ", ".join(f"{count} on {number}" for number, count in found.items())

    @admin.display(description="legs")
    def legs_in_words(self, row: Claim) -> str:
        """Name what it holds."""
        tokens = row.legs.order_by("subscription__instrument_id")
        return ", ".join(tokens.values_list("subscription__instrument__token", flat=True))

    @admin.action(permissions=["operate"], description="Evict: stop streaming and tell the traders")
    def evict(self, request: HttpRequest, queryset: QuerySet[Claim]) -> HttpResponse | None:
        """Evict the chains of the chosen claims, once it was confirmed."""
        return self._act(request, queryset, act="evict", verb="Evict")

    @admin.action(permissions=["operate"], description="Pin: never evict")
    def pin(self, request: HttpRequest, queryset: QuerySet[Claim]) -> HttpResponse | None:
        """Spare the chains of the chosen claims from eviction, once it was confirmed."""
        return self._act(request, queryset, act="pin", verb="Pin")

    @admin.action(permissions=["operate"], description="Unpin: may be evicted again")
    def unpin(self, request: HttpRequest, queryset: QuerySet[Claim]) -> HttpResponse | None:
        """Let the chains of the chosen claims be evicted again, once it was confirmed."""
        return self._act(request, queryset, act="unpin", verb="Unpin")

    def _act(self, request: HttpRequest, queryset: QuerySet[Claim], *, act: str, verb: str) -> HttpResponse | None:
        chosen = list(queryset.order_by("pk").values_list("pk", flat=True)[: MAX_CHOSEN + 1])
        if len(chosen) > MAX_CHOSEN:
            self.message_user(request, f"Choose at most {MAX_CHOSEN} claims at a time.", messages.ERROR)
            return None
        affected = selectors.list_affected(claim_ids=chosen)
        if not affected.chains:
            self.message_user(request, "Nothing of tier A was chosen; tier B and spots stay.", messages.WARNING)
            return None
        form = (EvictForm if act == "evict" else forms.Form)(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            return self._ask(request, affected, chosen, form, act=act, verb=verb)
        said = _obey(act, chosen, actor=request.user.get_username(), reason=form.cleaned_data.get("reason", ""))
        self.message_user(request, said, messages.SUCCESS)
        return None

    def _ask(
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


def _obey(act: str, claim_ids: Sequence[int], *, actor: str, reason: str) -> str:
    """Do what was confirmed, and say what was done."""
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


def _count(number: int, thing: str) -> str:
    """Return so many of a thing, in English.

    >>> _count(2, "chain or instrument")
    '2 chains or instruments'
    """
    if number != 1:
        thing = " or ".join(f"{one}s" for one in thing.split(" or "))
    return f"{number:,} {thing}"


def _subject(claim: Claim) -> str:
    return f"{claim.series} x{claim.width}" if claim.series else str(claim.instrument)


def _holder(claim: Claim) -> str:
    if claim.user is not None:
        return claim.user.get_username()
    return f"rule {claim.rule}" if claim.rule is not None else "the chains on it"
