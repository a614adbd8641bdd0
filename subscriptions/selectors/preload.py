"""Targets of the preload rules, and the preload claims that hold them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import F, Sum

from marketdata import selectors as market_selectors
from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.domain.preload import Rule, expiries_to_hold, futures_to_hold
from subscriptions.models import Claim, FeedConnection, PreloadRule


@dataclass(frozen=True, slots=True)
class PreloadTarget:
    """Object of one preload claim: a chain (series and width) or one future."""

    rule_id: int
    series: SeriesKey | None = None
    width: int | None = None
    instrument_id: int | None = None

    @property
    def most_legs(self) -> int:
        """The most instruments that it can hold, without the spot."""
        return 2 * self.width if self.width else 1

    def __str__(self) -> str:
        return f"{self.series} x{self.width}" if self.series else f"future {self.instrument_id}"


@dataclass(frozen=True, slots=True)
class PreloadPlan:
    """Targets of the active rules, in their order, and the preload claims (id by target)."""

    rules: Sequence[Rule]
    wanted: Sequence[PreloadTarget]
    held: Mapping[PreloadTarget, int]
    idle_spots: Mapping[int, int]  # tier-B spot claims without chains: claim id by instrument id

    @property
    def missing(self) -> Sequence[PreloadTarget]:
        """The targets without a claim."""
        return [target for target in self.wanted if target not in self.held]

    @property
    def surplus(self) -> Sequence[int]:
        """The claims whose target no rule has any more."""
        wanted = set(self.wanted)
        return [claim_id for target, claim_id in self.held.items() if target not in wanted]


@dataclass(frozen=True, slots=True)
class RuleState:
    """Progress of one preload rule: targets wanted, held and waiting."""

    rule: str
    wanted: int
    held: int
    waiting: tuple[str, ...]
    has_room: bool = True


def plan_preload(*, now: datetime | None = None) -> PreloadPlan:
    """Return the targets of the rules of PRELOAD_PROFILE at `now`, and the preload claims, in five queries.

    `now` is the clock by default. An expiry that is over is no target; one more query where an expiry is near.
    """
    rules = [
        Rule(
            rule_id=row.pk,
            segment=ExchangeSegment(row.exchange_segment),
            underlying=row.underlying_symbol,
            weekly=row.weekly,
            monthly=row.monthly,
            quarterly=row.quarterly,
            strikes=row.strikes,
            futures=row.futures,
        )
        for row in PreloadRule.objects.filter(profile=settings.PRELOAD_PROFILE, is_active=True).order_by(
            "position", "pk"
        )
    ]
    # Spots that preload claimed alone and whose chain has not followed yet.
    idle = Claim.objects.filter(kind=ClaimKind.SPOT, tier=Tier.B, chains=None)
    return PreloadPlan(
        rules=rules,
        wanted=_list_targets(rules, now),
        held={_target_of(claim): claim.pk for claim in Claim.objects.filter(kind=ClaimKind.PRELOAD)},
        idle_spots={spot: pk for spot, pk in idle.values_list("instrument_id", "pk") if spot is not None},
    )


def _list_targets(rules: Sequence[Rule], now: datetime | None) -> Sequence[PreloadTarget]:
    underlyings = [(rule.segment, rule.underlying) for rule in rules]
    listed = market_selectors.list_contracts(underlyings=underlyings, from_date=market_selectors.market_today())
    current_from = market_selectors.list_first_current(listed, now=now)
    targets: list[PreloadTarget] = []
    for rule in rules:
        contracts = listed[rule.segment, rule.underlying]
        today = current_from[rule.segment]  # after the session of an expiry the rule takes the next one
        expiries = expiries_to_hold(rule, contracts.option_expiries, today=today)
        series = [SeriesKey(rule.segment, rule.underlying, expiry) for expiry in expiries]
        futures = set(futures_to_hold(rule, [one.expiry for one in contracts.futures], today=today))
        targets += [PreloadTarget(rule.rule_id, series=one, width=rule.strikes) for one in series]
        targets += [
            PreloadTarget(rule.rule_id, instrument_id=one.instrument_id)
            for one in contracts.futures
            if one.expiry in futures
        ]
    return targets


def _target_of(claim: Claim) -> PreloadTarget:
    return PreloadTarget(claim.rule_id or 0, claim.series, claim.width, claim.instrument_id)


def list_rule_states() -> Sequence[RuleState]:
    """Return the progress of each active rule. A waiting target has no price yet, or is marked "no room"."""
    plan = plan_preload()
    wanted = Counter(target.rule_id for target in plan.wanted)
    waiting: dict[int, list[str]] = defaultdict(list)
    out_of_room = set()
    free = count_free() if plan.missing else 0
    for target in plan.missing:
        # A pass claims every target that fits, so a missing one that exceeds the free slots was refused for room.
        is_too_large = target.most_legs > free
        waiting[target.rule_id].append(f"{target}: no room" if is_too_large else str(target))
        if is_too_large:
            out_of_room.add(target.rule_id)
    return [
        RuleState(
            rule=str(rule),
            wanted=wanted[rule.rule_id],
            held=wanted[rule.rule_id] - len(waiting[rule.rule_id]),
            waiting=tuple(waiting[rule.rule_id]),
            has_room=rule.rule_id not in out_of_room,
        )
        for rule in plan.rules
    ]


def count_free() -> int:
    """Return the number of free slots on all connections."""
    return FeedConnection.objects.aggregate(free=Sum(F("capacity") - F("load")))["free"] or 0
