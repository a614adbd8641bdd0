"""What the preload rules want, against what preload holds and lacks."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import F, Sum

from marketdata import selectors as market_selectors
from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.domain.preload import Rule, expiries_to_hold, futures_to_hold
from subscriptions.models import Claim, FeedConnection, PreloadRule


@dataclass(frozen=True, slots=True)
class PreloadTarget:
    """What one rule holds with one claim: a chain (series and width) or one future."""

    rule_id: int
    series: SeriesKey | None = None
    width: int | None = None
    instrument_id: int | None = None

    @property
    def most_legs(self) -> int:
        """How many instruments it holds at most, the spot not counted."""
        return 2 * self.width if self.width else 1

    def __str__(self) -> str:
        return f"{self.series} x{self.width}" if self.series else f"future {self.instrument_id}"


@dataclass(frozen=True, slots=True)
class PreloadPlan:
    """What the rules in force want, in their order, against what preload claims hold (claim id by target)."""

    rules: Sequence[Rule]
    wanted: Sequence[PreloadTarget]
    held: Mapping[PreloadTarget, int]
    idle_spots: Mapping[int, int]  # tier-B spot claims without chains: claim id by instrument id

    @property
    def missing(self) -> Sequence[PreloadTarget]:
        """What is wanted and not held."""
        return [target for target in self.wanted if target not in self.held]

    @property
    def surplus(self) -> Sequence[int]:
        """Claims that nothing wants any more."""
        wanted = set(self.wanted)
        return [claim_id for target, claim_id in self.held.items() if target not in wanted]


@dataclass(frozen=True, slots=True)
class RuleState:
    """How far one preload rule is: targets wanted, targets held, and those that still wait."""

    rule: str
    wanted: int
    held: int
    waiting: tuple[str, ...]
    has_room: bool = True


@dataclass(frozen=True, slots=True)
class PreloadState:
    """How far tier B is."""

    rules: Sequence[RuleState]

    @property
    def is_complete(self) -> bool:
        """Whether every rule holds what it wants of what is listed."""
        return not any(rule.waiting for rule in self.rules)


def plan_preload() -> PreloadPlan:
    """Return what the rules of the profile in force want and what preload claims hold, in five queries."""
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
    idle = Claim.objects.filter(kind=ClaimKind.SPOT, tier=Tier.B, chains=None)
    return PreloadPlan(
        rules=rules,
        wanted=_list_targets(rules),
        held={_target_of(claim): claim.pk for claim in Claim.objects.filter(kind=ClaimKind.PRELOAD)},
        idle_spots={spot: pk for spot, pk in idle.values_list("instrument_id", "pk") if spot is not None},
    )


def _list_targets(rules: Sequence[Rule]) -> Sequence[PreloadTarget]:
    today = market_selectors.market_today()
    listed = market_selectors.list_contracts(
        underlyings=[(rule.segment, rule.underlying) for rule in rules], from_date=today
    )
    targets: list[PreloadTarget] = []
    for rule in rules:
        contracts = listed[rule.segment, rule.underlying]
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


def preload_state() -> PreloadState:
    """Return how far each preload rule in force is. What waits has no price yet, or no room; the latter says so."""
    plan = plan_preload()
    wanted = Counter(target.rule_id for target in plan.wanted)
    waiting: dict[int, list[str]] = defaultdict(list)
    crowded = set()
    free = _count_free() if plan.missing else 0
    for target in plan.missing:
        # A pass takes all that fits, so what is larger than what is left was refused by room.
        is_crowded = target.most_legs > free
        waiting[target.rule_id].append(f"{target}: no room" if is_crowded else str(target))
        if is_crowded:
            crowded.add(target.rule_id)
    return PreloadState(
        [
            RuleState(
                rule=str(rule),
                wanted=wanted[rule.rule_id],
                held=wanted[rule.rule_id] - len(waiting[rule.rule_id]),
                waiting=tuple(waiting[rule.rule_id]),
                has_room=rule.rule_id not in crowded,
            )
            for rule in plan.rules
        ]
    )


def _count_free() -> int:
    return FeedConnection.objects.aggregate(free=Sum(F("capacity") - F("load")))["free"] or 0
