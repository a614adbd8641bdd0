"""What tier B held an hour ago, and held items that left the list, as health reports them."""

from datetime import date, timedelta

from pytest_django import Settings

from marketdata.models import Instrument
from subscriptions import selectors, services
from subscriptions.models import PreloadRule
from subscriptions.selectors import TierBHeld
from tests.factories import NOW, Listing, make_user
from tests.integration.subscriptions.claim_factories import claim_instrument

SOON = NOW + timedelta(minutes=5)
LATER = NOW + timedelta(minutes=70)


def test_what_tier_b_claimed_within_the_hour_was_not_held_before(listing: Listing) -> None:
    services.preload_tier_b(now=NOW)

    # NIFTY: 2 x 42 legs and the index. CRUDEOIL: 42 legs, the nearest future as their spot, and the next future.
    assert selectors.get_tier_b_held(now=SOON) == TierBHeld(now=129, hour_ago=0)
    assert selectors.get_tier_b_held(now=LATER) == TierBHeld(now=129, hour_ago=129)


def test_tier_b_holds_less_after_items_left_the_list_and_they_are_named(listing: Listing) -> None:
    services.preload_tier_b(now=NOW)
    Instrument.objects.filter(exchange="MCX").update(is_listed=False)
    before = selectors.list_vanished(now=LATER)

    services.preload_tier_b(now=LATER)

    assert len(before) == 44
    assert selectors.get_tier_b_held(now=LATER + timedelta(minutes=1)) == TierBHeld(now=85, hour_ago=129)
    assert selectors.get_tier_b_held(now=LATER + timedelta(minutes=61)) == TierBHeld(now=85, hour_ago=85)
    named = selectors.list_vanished(now=LATER + timedelta(minutes=61))
    assert named == [
        "CRUDEOIL 17 Feb 2026 x21",
        "CRUDEOIL_19FEB2026_FUT",
        "CRUDEOIL_19MAR2026_FUT",
    ]
    assert selectors.list_vanished(now=LATER + timedelta(hours=25)) == []


def test_an_expiry_is_no_loss(listing: Listing, settings: Settings) -> None:
    services.preload_tier_b(now=NOW)
    settings.MARKET_DATE = date(2026, 2, 18)
    Instrument.objects.filter(expiry__lt=date(2026, 2, 18)).update(is_listed=False)

    services.preload_tier_b(now=LATER)

    held = selectors.get_tier_b_held(now=LATER + timedelta(minutes=1))
    assert held.now >= held.hour_ago
    assert selectors.list_vanished(now=LATER + timedelta(minutes=1)) == []


def test_a_rule_that_staff_end_shows_as_a_fall_and_names_nothing(listing: Listing) -> None:
    services.preload_tier_b(now=NOW)
    PreloadRule.objects.filter(underlying_symbol="CRUDEOIL").update(is_active=False)

    services.preload_tier_b(now=LATER)

    assert selectors.get_tier_b_held(now=LATER + timedelta(minutes=1)) == TierBHeld(now=85, hour_ago=129)
    assert selectors.list_vanished(now=LATER + timedelta(minutes=1)) == []


def test_an_instrument_of_a_trader_that_left_the_list_is_named_while_it_is_held(listing: Listing) -> None:
    share = Instrument.objects.filter(instrument_type="EQUITY")[0]
    claim_instrument(share.pk, user_id=make_user("asha").pk)
    share.is_listed = False
    share.save()

    assert selectors.list_vanished(now=NOW) == [share.token]
    assert selectors.get_tier_b_held(now=NOW) == TierBHeld(now=0, hour_ago=0)
