"""Reads of claims and subscriptions: the status, what an owner shall stream, what preload holds and lacks.

What Postgres wants and what the board reports are put side by side here; nothing is decided. A board that cannot
be reached leaves what it alone knows unknown (None), never zero.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Q

from marketdata import quote_board
from marketdata import selectors as market_selectors
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey, SeriesKey
from marketdata.domain.quotes import Mode
from marketdata.quote_board import OwnerReport
from subscriptions.domain.claims import ClaimKind, ConnectionState, Tier
from subscriptions.domain.preload import Rule, expiries_to_hold, futures_to_hold
from subscriptions.models import Claim, ClaimLeg, FeedConnection, PreloadRule, Subscription


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """One connection: what it carries by Postgres, and what its owner says of it (None: unknown)."""

    ws_id: int
    load: int
    capacity: int
    state: ConnectionState
    sent: int | None
    streaming: int | None


@dataclass(frozen=True, slots=True)
class Status:
    """All subscriptions at a glance. `drift` is wanted minus confirmed streaming; None if nobody can tell."""

    total: int
    capacity: int
    tier_a: int
    tier_b: int
    utilisation: float  # percent of capacity
    connections: Sequence[ConnectionStatus]
    drift: int | None


@dataclass(frozen=True, slots=True)
class WantedInstrument:
    """One instrument that a connection shall stream."""

    instrument_id: int
    key: InstrumentKey
    mode: Mode


@dataclass(frozen=True, slots=True)
class PreloadThing:
    """What one rule holds with one claim: a chain (series and width) or one future."""

    rule_id: int
    series: SeriesKey | None = None
    width: int | None = None
    instrument_id: int | None = None

    def __str__(self) -> str:
        return f"{self.series} x{self.width}" if self.series else f"future {self.instrument_id}"


@dataclass(frozen=True, slots=True)
class PreloadPlan:
    """What the rules in force want, in their order, against what preload claims hold (claim id by thing)."""

    rules: Sequence[Rule]
    wanted: Sequence[PreloadThing]
    held: Mapping[PreloadThing, int]
    idle_spots: Mapping[int, int]  # tier-B spot claims without chains: claim id by instrument id

    @property
    def missing(self) -> Sequence[PreloadThing]:
        """What is wanted and not held."""
        return [thing for thing in self.wanted if thing not in self.held]

    @property
    def surplus(self) -> Sequence[int]:
        """Claims that nothing wants any more."""
        wanted = set(self.wanted)
        return [claim_id for thing, claim_id in self.held.items() if thing not in wanted]


@dataclass(frozen=True, slots=True)
class RuleState:
    """How far one preload rule is: things wanted, things held, and those that still wait."""

    rule: str
    wanted: int
    held: int
    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PreloadState:
    """How far tier B is."""

    rules: Sequence[RuleState]

    @property
    def is_complete(self) -> bool:
        """Whether every rule holds what it wants of what is listed."""
        return not any(rule.waiting for rule in self.rules)


def subscription_status() -> Status:
    """Return totals, tiers, the five connections and the drift."""
    rows = list(FeedConnection.objects.order_by("number"))
    tiers = dict(Subscription.objects.values_list("tier").annotate(count=Count("pk")))
    reports = _find_reports()
    connections = [_connection_status(row, reports) for row in rows]
    total, capacity = sum(tiers.values()), sum(row.capacity for row in rows)
    streaming = sum(one.streaming or 0 for one in connections)
    return Status(
        total=total,
        capacity=capacity,
        tier_a=tiers.get(Tier.A, 0),
        tier_b=tiers.get(Tier.B, 0),
        utilisation=round(100 * total / capacity, 2) if capacity else 0.0,
        connections=connections,
        drift=None if reports is None else total - streaming,
    )


def _find_reports() -> Mapping[int, OwnerReport] | None:
    try:
        return {report.connection: report for report in quote_board.connect().list_reports()}
    except quote_board.BoardError:
        return None


def _connection_status(row: FeedConnection, reports: Mapping[int, OwnerReport] | None) -> ConnectionStatus:
    """Without a report there is no owner, hence no socket: nothing was sent, and the state is what no owner means."""
    report = reports.get(row.number) if reports is not None else None
    if reports is None:
        return ConnectionStatus(row.number, row.load, row.capacity, ConnectionState(row.state), None, None)
    if report is None:
        state = ConnectionState(row.state)
        state = ConnectionState.WANTED if state is ConnectionState.LIVE else state
        return ConnectionStatus(row.number, row.load, row.capacity, state, 0, 0)
    return ConnectionStatus(
        row.number, row.load, row.capacity, ConnectionState(report.state), report.sent, report.streaming
    )


def list_wanted(*, connection: int) -> list[WantedInstrument]:
    """Return what `connection` shall stream, what is moving away from it included until it has left."""
    rows = (
        Subscription.objects.filter(Q(connection=connection) | Q(leaving_connection=connection))
        .order_by("instrument_id")
        .values_list("instrument_id", "instrument__exchange_segment", "instrument__security_id", "mode")
    )
    return [
        WantedInstrument(instrument_id, InstrumentKey(ExchangeSegment(segment), security_id), Mode(mode))
        for instrument_id, segment, security_id, mode in rows
    ]


def connection_of(instrument_ids: Collection[int]) -> Mapping[int, int]:
    """Return the connection of each instrument that is subscribed, by instrument id."""
    rows = Subscription.objects.filter(instrument_id__in=instrument_ids)
    return dict(rows.values_list("instrument_id", "connection_id"))


def list_claim_connections(claim_ids: Collection[int]) -> Mapping[int, Mapping[int, int]]:
    """Return how many legs each claim has on each connection: connection -> legs, by claim id."""
    rows = (
        ClaimLeg.objects.filter(claim_id__in=claim_ids)
        .values_list("claim_id", "subscription__connection_id")
        .annotate(count=Count("pk"))
        .order_by("claim_id", "subscription__connection_id")
    )
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for claim_id, number, count in rows:
        found[claim_id][number] = count
    return found


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
        wanted=_list_things(rules),
        held={_thing_of(claim): claim.pk for claim in Claim.objects.filter(kind=ClaimKind.PRELOAD)},
        idle_spots={spot: pk for spot, pk in idle.values_list("instrument_id", "pk") if spot is not None},
    )


def _list_things(rules: Sequence[Rule]) -> Sequence[PreloadThing]:
    today = market_selectors.market_today()
    listed = market_selectors.list_contracts(
        underlyings=[(rule.segment, rule.underlying) for rule in rules], from_date=today
    )
    things: list[PreloadThing] = []
    for rule in rules:
        contracts = listed[rule.segment, rule.underlying]
        expiries = expiries_to_hold(rule, contracts.option_expiries, today=today)
        series = [SeriesKey(rule.segment, rule.underlying, expiry) for expiry in expiries]
        futures = set(futures_to_hold(rule, [one.expiry for one in contracts.futures], today=today))
        things += [PreloadThing(rule.rule_id, series=one, width=rule.strikes) for one in series]
        things += [
            PreloadThing(rule.rule_id, instrument_id=one.instrument_id)
            for one in contracts.futures
            if one.expiry in futures
        ]
    return things


def _thing_of(claim: Claim) -> PreloadThing:
    return PreloadThing(claim.rule_id or 0, claim.series, claim.width, claim.instrument_id)


def preload_state() -> PreloadState:
    """Return how far each preload rule in force is. What waits has no price yet, or its claim failed."""
    plan = plan_preload()
    wanted = Counter(thing.rule_id for thing in plan.wanted)
    waiting: dict[int, list[str]] = defaultdict(list)
    for thing in plan.missing:
        waiting[thing.rule_id].append(str(thing))
    return PreloadState(
        [
            RuleState(
                rule=str(rule),
                wanted=wanted[rule.rule_id],
                held=wanted[rule.rule_id] - len(waiting[rule.rule_id]),
                waiting=tuple(waiting[rule.rule_id]),
            )
            for rule in plan.rules
        ]
    )
