"""Claims over time: the invariants hold after traders, rules and the end of day in any order."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import transaction
from django.db.models import Q
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test
from pytest_django import Settings

from subscriptions import services
from subscriptions.domain.claims import ClaimKind
from subscriptions.models import Claim, FeedConnection, PreloadRule, Subscription
from tests.factories import NOW, Listing, make_user, open_chain, put_prices
from tests.integration.subscriptions.claim_factories import claim_chain, claim_instrument, release_claim
from tests.integration.subscriptions.connection_rules import ConnectionRules
from tests.integration.subscriptions.invariants import planned_invariants

CUT = time(10, 0)  # 15:30 IST in UTC

PRICES = {"NIFTY": 25_010.0, "RELIANCE": 2_604.0}

traders = st.integers(0, 2)
chains = st.integers(0, 4)
widths = st.sampled_from([3, 5, 11, 21])


class Claims(ConnectionRules):
    """Three traders and preload rules on the small listing, with slots for about half of all instruments."""

    listing: Listing
    users: list[int]
    settings: Settings
    check_rows: Callable[[], None]

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.closes = date(2026, 2, 10)
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        FeedConnection.objects.update(capacity=45)
        for symbol in PRICES:
            self.move_the_market(symbol, 0)
        self.placed_at: dict[int, int] = {}

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.savepoint.__exit__(None, None, None)

    def tick(self) -> datetime:
        self.now += timedelta(seconds=20)
        return self.now

    @rule(trader=traders, chain=chains, width=widths, kind=st.sampled_from([ClaimKind.WATCHLIST, ClaimKind.CHAIN]))
    def add_chain(self, trader: int, chain: int, width: int, kind: ClaimKind) -> None:
        before = set(Subscription.objects.values_list("instrument_id", flat=True))
        spared = set(Claim.objects.filter(Q(tier="B") | Q(is_pinned=True)).values_list("pk", flat=True))
        try:
            placed = claim_chain(
                self.listing.series[chain], user_id=self.users[trader], width=width, kind=kind, now=self.tick()
            )
        except services.CapacityExceeded:
            assert set(Subscription.objects.values_list("instrument_id", flat=True)) == before
        else:
            assert placed.subscribed + placed.shared == placed.legs == 2 * width
            assert sum(placed.per_connection.values()) == placed.legs
        assert spared <= set(Claim.objects.values_list("pk", flat=True))

    @rule(trader=traders, chain=chains, width=widths, is_opening=st.booleans())
    def open_in_browser(self, trader: int, chain: int, width: int, is_opening: bool) -> None:
        of_others = list_lasting()
        opened = open_chain(self.listing.series[chain], width=width, now=self.tick())
        is_claimed = services.claim_view(
            chain=opened, user_id=self.users[trader], is_opening=is_opening, now=self.tick()
        )
        assert (services.note_windows({opened.key: self.now}) == frozenset()) is is_claimed
        assert list_lasting() == of_others

    @rule(seconds=st.integers(0, 120))
    def release_unviewed(self, seconds: int) -> None:
        of_others = list_lasting()
        services.release_unviewed(now=self.tick() + timedelta(seconds=seconds))
        assert list_lasting() == of_others

    @rule(trader=traders, symbol=st.sampled_from(["NIFTY", "RELIANCE", "TCS", "CRUDEOIL"]))
    def add_instrument(self, trader: int, symbol: str) -> None:
        with suppress(services.CapacityExceeded):
            claim_instrument(self.listing.spots[symbol].pk, user_id=self.users[trader], now=self.tick())

    @precondition(lambda _: Claim.objects.filter(tier="A").exclude(kind="spot").exists())
    @rule(position=st.integers(0, 50))
    def remove(self, position: int) -> None:
        claims = list(Claim.objects.filter(tier="A").exclude(kind="spot").order_by("pk").values_list("pk", flat=True))
        release_claim(claims[position % len(claims)], now=self.tick())

    @rule(trader=traders, chain=chains)
    def view(self, trader: int, chain: int) -> None:
        services.note_views([services.View(self.users[trader], series=self.listing.series[chain])], now=self.tick())

    @precondition(lambda _: Claim.objects.filter(tier="A").exclude(kind="spot").exists())
    @rule(position=st.integers(0, 50), is_pinned=st.booleans())
    def pin(self, position: int, is_pinned: bool) -> None:
        claims = list(Claim.objects.filter(tier="A").exclude(kind="spot").order_by("pk"))
        chosen = claims[position % len(claims)]
        services.set_pinned(claim_ids=[chosen.pk], is_pinned=is_pinned, actor="staff", now=self.tick())
        assert {one.is_pinned for one in chain_of(chosen) if one.kind != ClaimKind.VIEW} <= {is_pinned}

    @precondition(lambda _: Claim.objects.exclude(kind="spot").exists())
    @rule(position=st.integers(0, 50))
    def evict(self, position: int) -> None:
        claims = list(Claim.objects.exclude(kind="spot").order_by("pk"))
        chosen = claims[position % len(claims)]
        of_others = len(claims) - len(chain_of(chosen))
        services.evict_chains(claim_ids=[chosen.pk], actor="staff", reason="because", now=self.tick())
        released = 0 if chosen.tier == "B" else len(claims) - of_others
        assert Claim.objects.exclude(kind="spot").count() == len(claims) - released

    @rule(symbol=st.sampled_from(sorted(PRICES)), percent=st.integers(-2, 2))
    def move_the_market(self, symbol: str, percent: int) -> None:
        put_prices({self.listing.spots[symbol].pk: PRICES[symbol] * (1 + percent / 100)}, now=self.tick())

    @rule(strikes=st.sampled_from([3, 5]), active=st.booleans())
    def preload(self, strikes: int, active: bool) -> None:
        PreloadRule.objects.filter(underlying_symbol="NIFTY").update(strikes=strikes, is_active=active)
        PreloadRule.objects.filter(underlying_symbol="CRUDEOIL").update(strikes=3)
        services.preload_tier_b(now=self.tick())
        again = services.preload_tier_b(now=self.tick())
        assert (again.claimed, again.released) == (0, 0)

    @rule()
    def recentre(self) -> None:
        report = services.recentre(now=self.tick())
        again = services.recentre(now=self.tick())
        assert again.moved == 0 or report.waiting

    @rule()
    def close_the_day(self) -> None:
        always_on = set(Subscription.objects.filter(tier="B").values_list("instrument_id", flat=True))
        self.closes += timedelta(days=1)
        cut = datetime.combine(self.closes, CUT, tzinfo=UTC)
        services.end_of_day(closes=self.closes, actor="beat", now=cut)
        assert set(Subscription.objects.values_list("instrument_id", flat=True)) == always_on
        assert services.end_of_day(closes=self.closes, actor="another beat", now=cut) is None

    @rule(days=st.integers(0, 15))
    def expire(self, days: int) -> None:
        was = self.settings.MARKET_DATE
        self.settings.MARKET_DATE = was + timedelta(days=days)
        services.release_expired(now=self.tick())
        assert not Claim.objects.filter(expiry__lt=self.settings.MARKET_DATE).exists()
        self.settings.MARKET_DATE = was

    @invariant()
    def invariants_hold(self) -> None:
        self.check_rows()

    @invariant()
    def unaffected_subscriptions_keep_their_connection(self) -> None:
        placed = dict(Subscription.objects.values_list("pk", "connection_id"))
        assert all(placed[one] == number for one, number in self.placed_at.items() if one in placed)
        self.placed_at = placed


def list_lasting() -> set[int]:
    """Return the claims of traders and rules, which no view may end."""
    return set(Claim.objects.exclude(kind__in=[ClaimKind.VIEW, ClaimKind.SPOT]).values_list("pk", flat=True))


def chain_of(claim: Claim) -> list[Claim]:
    """Return the tier-A claims of the same chain or instrument as `claim`."""
    same = Claim.objects.filter(tier="A", instrument=claim.instrument, expiry=claim.expiry, width=claim.width)
    return list(same.filter(underlying_symbol=claim.underlying_symbol).exclude(kind="spot"))


@pytest.mark.timeout(400)
def test_no_order_of_operations_breaks_an_invariant(listing: Listing, settings: Settings) -> None:
    users = [make_user(f"trader{number}").pk for number in range(3)]
    with planned_invariants() as check:
        values = {"listing": listing, "users": users, "settings": settings, "check_rows": staticmethod(check)}
        run_state_machine_as_test(type("ClaimsOfThisTest", (Claims,), values), settings=SETTINGS)


SETTINGS = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
