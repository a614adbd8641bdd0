"""The real list of 10 Feb 2026, imported once for all tests of this file and deleted at the end."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import Count
from pytest_django import DjangoDbBlocker, Settings

from marketdata import selectors, services
from marketdata.domain import chain
from marketdata.domain.expiries import ExpiryKind
from marketdata.domain.instruments import ExchangeSegment, InstrumentType
from marketdata.domain.symbols import ALIASES
from marketdata.models import Instrument, InstrumentImport
from tests.factories import all_legs

pytestmark = pytest.mark.django_db

TODAY = date(2026, 2, 10)
NOW = datetime(2026, 2, 10, 2, 30, tzinfo=UTC)
PAISA = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Imported:
    """The results of two imports of the same file."""

    first: InstrumentImport
    again: InstrumentImport


@pytest.fixture(scope="module")
def imported(
    reference_data: Path,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Imported]:
    source = str(reference_data / "api-scrip-master-2026-02-10.csv.gz")
    with django_db_blocker.unblock():
        first = services.import_instruments(source=source, as_of=TODAY, now=NOW)
        again = services.import_instruments(source=source, as_of=TODAY, now=NOW + timedelta(hours=1))
    yield Imported(first, again)
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE instruments, instrument_imports CASCADE")


@pytest.fixture(autouse=True)
def market_date(settings: Settings) -> None:
    settings.MARKET_DATE = TODAY


def test_every_row_is_accepted_or_skipped_for_a_reason(imported: Imported) -> None:
    record = imported.first

    assert record.refusal == ""
    assert record.rows_read == 273_027
    assert record.rows_kept == 205_992
    # Section 4.6 of the reference: NSE,M has 44,642 rows; 12,733 BSE and 9,619 NSE currency contracts are stale;
    # 18 futures and 23 shares are test instruments of the exchanges.
    assert record.skipped == {"expired": 22_352, "no feed segment": 44_642, "test": 41}
    assert record.inserted == 205_992


def test_each_kind_of_instrument_has_the_rows_of_the_file(imported: Imported) -> None:
    rows = Instrument.objects.values_list("exchange_segment", "instrument_type").annotate(Count("pk"))

    assert {(ExchangeSegment(segment).name, kind): count for segment, kind, count in rows} == {
        ("NSE_FNO", "OPTSTK"): 89_550,
        ("NSE_FNO", "OPTIDX"): 11_226,
        ("NSE_FNO", "FUTSTK"): 636 - 18,
        ("NSE_FNO", "FUTIDX"): 15,
        ("BSE_FNO", "OPTSTK"): 35_980,
        ("BSE_FNO", "OPTIDX"): 5_796,
        ("BSE_FNO", "FUTSTK"): 612,
        ("BSE_FNO", "FUTIDX"): 9,
        ("MCX_COMM", "OPTFUT"): 36_422,
        ("MCX_COMM", "OPTIDX"): 1_368,
        ("MCX_COMM", "FUTCOM"): 140,
        ("MCX_COMM", "FUTIDX"): 6,
        ("NSE_EQ", "EQUITY"): 8_999,
        ("BSE_EQ", "EQUITY"): 13_248,
        ("IDX_I", "INDEX"): 119 + 75,
        ("NSE_CURRENCY", "OPTCUR"): 1_774,
        ("NSE_CURRENCY", "FUTCUR"): 35,
    }


def test_the_second_run_changes_nothing(imported: Imported) -> None:
    again = imported.again

    assert (again.refusal, again.rows_kept) == ("", 205_992)
    assert (again.inserted, again.changed, again.delisted) == (0, 0, 0)
    assert not Instrument.objects.exclude(last_changed_at=NOW).exists()


def test_every_derivative_that_has_a_spot_is_linked_to_it(imported: Imported) -> None:
    without = Instrument.objects.filter(is_listed=True, expiry__isnull=False, underlying=None)

    # A future on a commodity or currency has no separate spot; options on currencies are not served.
    assert set(without.values_list("exchange_segment", "instrument_type").distinct()) == {
        (ExchangeSegment.MCX_COMM, InstrumentType.FUTCOM),
        (ExchangeSegment.MCX_COMM, InstrumentType.FUTIDX),
        (ExchangeSegment.NSE_CURRENCY, InstrumentType.FUTCUR),
        (ExchangeSegment.NSE_CURRENCY, InstrumentType.OPTCUR),
    }


def test_index_derivatives_are_linked_to_their_index(imported: Imported) -> None:
    linked = Instrument.objects.filter(instrument_type__in=["OPTIDX", "FUTIDX"]).exclude(exchange="MCX")

    assert set(linked.values_list("underlying_symbol", "underlying__security_id").distinct()) == {
        ("NIFTY", 13),
        ("BANKNIFTY", 25),
        ("FINNIFTY", 27),
        ("MIDCPNIFTY", 442),
        ("NIFTYNXT50", 38),
        ("SENSEX", 51),
        ("BANKEX", 69),
        ("SENSEX50", 83),
    }


def test_commodity_options_are_linked_to_the_first_future_that_expires_later(imported: Imported) -> None:
    linked = Instrument.objects.filter(
        instrument_type="OPTFUT", underlying_symbol__in=["CRUDEOIL", "NATURALGAS", "GOLD"], expiry__lt=date(2026, 5, 1)
    )

    assert set(linked.values_list("underlying_symbol", "expiry", "underlying__security_id").distinct()) == {
        ("CRUDEOIL", date(2026, 2, 17), 467013),
        ("CRUDEOIL", date(2026, 3, 17), 472789),
        ("CRUDEOIL", date(2026, 4, 16), 486502),
        ("NATURALGAS", date(2026, 2, 20), 467385),
        ("NATURALGAS", date(2026, 3, 24), 475111),
        ("NATURALGAS", date(2026, 4, 23), 487465),
        ("GOLD", date(2026, 2, 27), 454818),
        ("GOLD", date(2026, 3, 24), 454818),
        ("GOLD", date(2026, 4, 30), 459277),
    }


def test_stock_options_are_linked_to_the_share_of_the_same_exchange(imported: Imported) -> None:
    linked = Instrument.objects.filter(instrument_type="OPTSTK", underlying_symbol="RELIANCE")

    assert set(linked.values_list("exchange", "underlying__security_id").distinct()) == {("NSE", 2885), ("BSE", 500325)}


def test_no_two_listed_instruments_of_an_exchange_share_a_token(imported: Imported) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT exchange, token FROM instruments WHERE is_listed GROUP BY exchange, token HAVING count(*) > 1"
        )
        assert cursor.fetchall() == []


def test_the_kinds_of_nifty_expiries_come_from_dates(imported: Imported) -> None:
    rows = selectors.list_expiries(underlying=selectors.find_underlying(symbol="NIFTY50"), options_only=True)

    assert [(row.expiry, row.kind, row.days_left) for row in rows[:6]] == [
        (date(2026, 2, 10), ExpiryKind.WEEKLY, 0),
        (date(2026, 2, 17), ExpiryKind.WEEKLY, 7),
        (date(2026, 2, 24), ExpiryKind.MONTHLY, 14),
        (date(2026, 3, 2), ExpiryKind.WEEKLY, 20),
        (date(2026, 3, 10), ExpiryKind.WEEKLY, 28),
        (date(2026, 3, 30), ExpiryKind.QUARTERLY, 48),
    ]


@pytest.mark.parametrize(
    ("symbol", "ltp", "step"),
    [
        ("NIFTY", 25_900, 50),
        ("BANKNIFTY", 60_600, 100),
        ("FINNIFTY", 28_000, 50),
        ("MIDCPNIFTY", 13_900, 25),
        ("SENSEX", 84_200, 100),
        ("BANKEX", 68_000, 100),
        ("RELIANCE", 1_460, 10),
        ("CRUDEOIL", 5_800, 50),
        ("NATURALGAS", 290, 5),
    ],
)
def test_the_strike_step_of_a_real_series_is_derived(imported: Imported, symbol: str, ltp: int, step: int) -> None:
    # Section 7.2 of the reference.
    listing = selectors.get_series(underlying=selectors.find_underlying(symbol=symbol), expiry=None)

    assert chain.strike_step(listing.strikes, near=Decimal(ltp)) == step


def test_atm_of_every_real_series_is_its_nearest_listed_strike_at_each_strike_and_between(imported: Imported) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(DISTINCT strike ORDER BY strike) FROM instruments WHERE is_listed AND strike IS NOT NULL"
            " AND underlying_id IS NOT NULL GROUP BY exchange_segment, underlying_symbol, expiry"
        )
        listings: list[list[Decimal]] = [strikes for (strikes,) in cursor.fetchall()]

    wrong = []
    for strikes in listings:
        expected = {strike: strike for strike in strikes}
        for lower, upper in pairwise(strikes):
            middle = (lower + upper) / 2
            expected |= {middle - PAISA: lower, middle: upper, middle + PAISA: upper}
        found = {ltp: chain.calculate_window(strikes, ltp=ltp, width=1, now=NOW).atm for ltp in expected}
        wrong += [(ltp, atm) for ltp, atm in found.items() if atm != expected[ltp]]

    assert len(listings) == 1_344
    assert wrong == []


def test_a_real_series_has_a_leg_of_each_type_once_per_strike(imported: Imported) -> None:
    listing = selectors.get_series(underlying=selectors.find_underlying(symbol="NIFTY"), expiry=date(2026, 2, 24))

    pairs = [(leg.strike, leg.option_type) for leg in all_legs(listing)]
    assert len(set(pairs)) == len(pairs)
    assert listing.default_width == 101
    assert 215 <= len(listing.strikes) <= 241


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("rel", "RELIANCE"),
        ("nifty", "NIFTY"),
        ("nifty 50", "NIFTY"),
        ("nifty bank", "BANKNIFTY"),
        ("sensex", "SENSEX"),
        ("bajaj-auto", "BAJAJ-AUTO"),
        ("m&m", "M&M"),
        ("hdfc bank", "HDFCBANK"),
        ("crudeoil", "CRUDEOIL_19FEB2026_FUT"),
        ("nifty 25000 ce", "NIFTY_10FEB2026_25000CE"),
        ("nifty 25000 ce 24 feb", "NIFTY_24FEB2026_25000CE"),
        ("nifty 2600", "NIFTY_10FEB2026_26000CE"),
        ("banknifty fut", "BANKNIFTY_24FEB2026_FUT"),
        ("nifty feb", "NIFTY_24FEB2026_FUT"),
        ("bse:reliance", "BSE:RELIANCE"),
    ],
)
def test_a_search_of_the_real_list_finds_the_expected_instrument_first(
    imported: Imported, query: str, first: str
) -> None:
    hits = selectors.search_instruments(query=query)

    assert hits[0].token == first


def test_a_query_in_any_written_form_finds_the_expected_instrument_first(imported: Imported) -> None:
    # Forms of platforms, the broker's names, keys and ids, other orders of the words, and misspelled words.
    lines = (Path(__file__).parents[2] / "data" / "search_queries.tsv").read_text(encoding="utf-8").splitlines()
    expected = [line.split("\t") for line in lines[1:]]

    wrong = {
        query: (first, found)
        for query, first in expected
        if (found := next((hit.token for hit in selectors.search_instruments(query=query, limit=1)), "nothing"))
        != first
    }

    assert wrong == {}
    assert len(expected) >= 120


def test_no_alias_hides_a_listed_symbol_and_each_means_a_listed_one(imported: Imported) -> None:
    hidden = [name for name, symbol in ALIASES.items() if name != symbol]
    listed = Instrument.objects.filter(is_listed=True)

    assert list(listed.filter(token__in=hidden).values_list("token", flat=True)) == []
    symbols = set(listed.filter(underlying_symbol__in=ALIASES.values()).values_list("underlying_symbol", flat=True))
    assert set(ALIASES.values()) - symbols == set()


@pytest.mark.parametrize(
    ("symbol", "underlying", "expiry"),
    [
        ("NSE:NIFTY50-INDEX", "NIFTY", None),
        ("^NSEBANK", "BANKNIFTY", None),
        ("RELIANCE.NS", "RELIANCE", None),
        ("m & m", "M&M", None),
        ("natural gas", "NATURALGAS", None),
        ("NSE_EQ:2885", "RELIANCE", None),
        ("NSE_FNO:59182", "NIFTY", date(2026, 2, 24)),
        ("NIFTY2621725000CE", "NIFTY", date(2026, 2, 17)),
        ("NIFTY26FEB25000CE", "NIFTY", date(2026, 2, 24)),
        ("CRUDEOIL26MARFUT", "CRUDEOIL", date(2026, 3, 19)),
        ("RELIANCE-Feb2026-1400-CE", "RELIANCE", date(2026, 2, 24)),
        ("NIFTY2!", "NIFTY", date(2026, 3, 30)),
    ],
)
def test_a_symbol_of_a_request_may_have_any_unambiguous_form(
    imported: Imported, symbol: str, underlying: str, expiry: date | None
) -> None:
    named = selectors.resolve_symbol(symbol=symbol)

    assert (named.underlying.symbol, named.expiry) == (underlying, expiry)


def test_a_symbol_that_several_weeklies_share_needs_the_expiry(imported: Imported) -> None:
    with pytest.raises(selectors.AmbiguousSymbol, match="10FEB2026, 17FEB2026, 24FEB2026"):
        selectors.resolve_symbol(symbol="NIFTY-Feb2026-26000-CE")

    named = selectors.resolve_symbol(symbol="NIFTY-Feb2026-26000-CE", expiry=date(2026, 2, 17))
    assert (named.underlying.symbol, named.expiry) == ("NIFTY", date(2026, 2, 17))


@pytest.mark.parametrize("query", ["%", "_", "' or 1=1", "\\", "x" * 64, "%%%%"])
def test_special_characters_find_nothing_and_raise_no_error(imported: Imported, query: str) -> None:
    assert selectors.search_instruments(query=query) == []
