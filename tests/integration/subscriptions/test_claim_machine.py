"""Claims over time: whatever traders, rules and the close do in whatever order, the invariants hold."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from pytest_django import Settings

from subscriptions import services
from subscriptions.domain.claims import ClaimKind
from subscriptions.models import Claim, FeedConnection, PreloadRule, Subscription
from tests.factories import NOW, Listing, make_user, put_prices
from tests.integration.subscriptions.acts import claim_chain, claim_instrument, release_claim
from tests.integration.subscriptions.invariants import check_invariants

CLOSES = date(2026, 2, 10)
CLOSE = datetime(2026, 2, 10, 10, 0, tzinfo=UTC)

PRICES = {"NIFTY": 25_010.0, "RELIANCE": 2_604.0}

traders = st.integers(0, 2)
chains = st.integers(0, 4)
widths = st.sampled_from([3, 5, 11, 21])


class Claims(RuleBasedStateMachine):
    """Three traders and the rules on the small listing, with room for about half of what they could ask for."""

    listing: Listing
    users: list[int]

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
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
        try:
            placed = claim_chain(
                self.listing.series[chain], user_id=self.users[trader], width=width, kind=kind, now=self.tick()
            )
        except services.CapacityExceeded:
            assert set(Subscription.objects.values_list("instrument_id", flat=True)) == before
        else:
            assert placed.subscribed + placed.shared == placed.legs == 2 * width
            assert sum(placed.per_connection.values()) == placed.legs

    @rule(trader=traders, symbol=st.sampled_from(["NIFTY", "RELIANCE", "TCS", "CRUDEOIL"]))
    def add_instrument(self, trader: int, symbol: str) -> None:
        with suppress(services.CapacityExceeded):
            claim_instrument(self.listing.spots[symbol].pk, user_id=self.users[trader], now=self.tick())

    @precondition(lambda _: Claim.objects.filter(tier="A").exclude(kind="spot").exists())
    @rule(position=st.integers(0, 50))
    def remove(self, position: int) -> None:
        claims = list(Claim.objects.filter(tier="A").exclude(kind="spot").order_by("pk").values_list("pk", flat=True))
        release_claim(claims[position % len(claims)], now=self.tick())

    @rule(symbol=st.sampled_from(sorted(PRICES)), percent=st.integers(-2, 2))
    def move_the_market(self, symbol: str, percent: int) -> None:
        put_prices({self.listing.spots[symbol].pk: PRICES[symbol] * (1 + percent / 100)})

    @rule(strikes=st.sampled_from([3, 5]), active=st.booleans())
    def preload(self, strikes: int, active: bool) -> None:
        PreloadRule.objects.filter(underlying_symbol="NIFTY").update(strikes=strikes, is_active=active)
        PreloadRule.objects.filter(underlying_symbol="CRUDEOIL").update(strikes=3)
        try:
            services.preload_tier_b(now=self.tick())
        except services.CapacityExceeded:
            return
        again = services.preload_tier_b(now=self.tick())
        assert (again.claimed, again.released) == (0, 0)

    @rule()
    def close_the_day(self) -> None:
        always_on = set(Subscription.objects.filter(tier="B").values_list("instrument_id", flat=True))
        services.end_of_day(closes=CLOSES, actor="beat", now=CLOSE)
        assert set(Subscription.objects.values_list("instrument_id", flat=True)) == always_on

    @invariant()
    def nothing_is_broken(self) -> None:
        check_invariants()

    @invariant()
    def nothing_that_stays_moves(self) -> None:
        placed = dict(Subscription.objects.values_list("pk", "connection_id"))
        assert all(placed[one] == number for one, number in self.placed_at.items() if one in placed)
        self.placed_at = placed


def test_no_order_of_acts_breaks_an_invariant(listing: Listing, settings: Settings) -> None:
    users = [make_user(f"trader{number}").pk for number in range(3)]
    machine = type("ClaimsOfThisTest", (Claims,), {"listing": listing, "users": users})

    run_state_machine_as_test(machine, settings=SETTINGS)


SETTINGS = settings(
    max_examples=20,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
