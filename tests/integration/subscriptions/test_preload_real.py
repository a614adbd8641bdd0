"""The lean profile on the real contracts of 10 February 2026."""

import gzip
import re
from datetime import UTC, date, datetime
from pathlib import Path

from django.db.models import Count, F
from pytest_django import Settings

from marketdata import services as market_services
from marketdata.models import Instrument
from subscriptions import services
from subscriptions.models import Claim
from tests.factories import put_prices
from tests.integration.subscriptions.claim_factories import count_subscribed, list_loads
from tests.integration.subscriptions.invariants import check_invariants

TODAY = date(2026, 2, 10)
NOW = datetime(2026, 2, 10, 4, 30, tzinfo=UTC)
LTPS = {
    "NIFTY": 25_900.0,
    "BANKNIFTY": 60_500.0,
    "SENSEX": 84_200.0,
    "FINNIFTY": 27_900.0,
    "MIDCPNIFTY": 13_700.0,
    "BANKEX": 67_800.0,
    "CRUDEOIL": 5_800.0,
    "NATURALGAS": 300.0,
}

# Neighbors such as NIFTYNXT50, SENSEX50, CRUDEOILM and GOLDM stay. The other rows, nine of ten, take long to import: no
# rule names them, and COPPER's options show that a rule of futures claims no options.
NAMED = re.compile(rb"NIFTY|SENSEX|BANKEX|GOLD|SILVER|COPPER|CRUDEOIL|NATURALGAS|SM_SYMBOL_NAME")
UNNAMED = re.compile(rb",OPTFUT,\d+,(GOLD|SILVER)")


def write_named_rows(master: Path, directory: Path) -> str:
    """Write the rows that preload rules could claim, or confuse with those, to a file; return its path."""
    path = directory / "master.csv"
    with gzip.open(master) as lines:
        path.write_bytes(b"".join(one for one in lines if NAMED.search(one) and not UNNAMED.search(one)))
    return str(path)


def price_the_spots() -> None:
    spots = Instrument.objects.filter(
        is_listed=True, underlying_symbol__in=LTPS, instrument_type__in=["INDEX", "FUTCOM"]
    )
    put_prices({spot.pk: LTPS[spot.underlying_symbol] for spot in spots})


def test_each_rule_claims_its_listed_targets_only(
    reference_data: Path, tmp_path: Path, db: None, own_board: str, settings: Settings
) -> None:
    settings.MARKET_DATE = TODAY
    master = write_named_rows(reference_data / "api-scrip-master-2026-02-10.csv.gz", tmp_path)
    market_services.import_instruments(source=master, as_of=TODAY, now=NOW)
    price_the_spots()

    report = services.preload_tier_b(now=NOW)

    assert report.waiting == ()
    legs = (
        Claim.objects.filter(kind="preload")
        .values("rule")
        .annotate(symbol=F("rule__underlying_symbol"), things=Count("pk", distinct=True), held=Count("legs"))
    )
    assert list(legs.order_by("rule__position").values_list("symbol", "things", "held")) == [
        ("NIFTY", 10, 414),  # 4 weekly, 6 monthly of which 4 quarterly; far strikes are one-sided or few
        ("BANKNIFTY", 6, 252),
        ("SENSEX", 8, 316),
        ("FINNIFTY", 3, 126),
        ("MIDCPNIFTY", 3, 126),
        ("BANKEX", 3, 126),
        ("GOLD", 1, 1),
        ("SILVER", 1, 1),
        ("COPPER", 1, 1),
        ("CRUDEOIL", 4, 86),
        ("NATURALGAS", 4, 86),
    ]
    # 1,535 legs and six indices; the spots of commodities are among the claimed futures.
    assert count_subscribed() == 1_541
    assert list_loads() == [309, 308, 308, 308, 308]
    check_invariants()
