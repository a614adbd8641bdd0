"""The demo listing contains the series of the preload rules, ids are unique, and both of its files can be parsed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import pytest

from marketdata.dhan import scrip_master
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey, InstrumentType
from simulator import instrument_files
from simulator.demo_listing import Size, make_listing
from simulator.instrument_files import InstrumentFiles
from simulator.listing import Listed
from tests.unit.simulator.listings import TODAY, listing_of

LEAN = {
    "NIFTY": (8, 3, 4),
    "BANKNIFTY": (0, 5, 4),
    "SENSEX": (4, 1, 3),
    "FINNIFTY": (0, 5, 3),
    "MIDCPNIFTY": (0, 5, 3),
    "BANKEX": (0, 5, 3),
}
"""Weekly, monthly and quarterly expiries of the lean rules; 21 strikes each."""
LEAN_FUTURES = 7
LEAN_COMMODITY_SERIES = 4
DAYS_OF_A_YEAR = [TODAY + timedelta(days=53 * step) for step in range(7)]
"""Chosen: each quarter twice, at different distances from its last expiry; a day takes half a second."""


def option_expiries(listing: Sequence[Listed]) -> dict[str, list[date]]:
    """Return the expiries of the options on each underlying, ascending."""
    found: dict[str, set[date]] = {}
    for row in listing:
        if row.option_type is not None and row.expiry is not None:
            found.setdefault(row.underlying, set()).add(row.expiry)
    return {underlying: sorted(expiries) for underlying, expiries in found.items()}


def series_taken(expiries: list[date], rule: tuple[int, int, int]) -> set[date]:
    """The union of the nearest weekly, monthly and quarterly expiries, each by its dates alone."""
    last_of_month = {(day.year, day.month): day for day in expiries}
    monthlies = sorted(last_of_month.values())
    weeklies = [day for day in expiries if day not in monthlies]
    quarterlies = [day for day in monthlies if day.month in {3, 6, 9, 12}]
    taken = [kind[:count] for kind, count in zip((weeklies, monthlies, quarterlies), rule, strict=True)]
    assert [len(kind) for kind in taken] == list(rule), "the listing has fewer expiries than the rule takes"
    return {day for kind in taken for day in kind}


@pytest.mark.parametrize("today", DAYS_OF_A_YEAR, ids=str)
def test_lean_preload_finds_between_2000_and_2500_legs_and_ids_are_unique_on_any_day(today: date) -> None:
    listing = make_listing(today, size=Size.SMALL)

    expiries = option_expiries(listing)
    series = sum(len(series_taken(expiries[name], rule)) for name, rule in LEAN.items())

    assert 2_000 <= (series + LEAN_COMMODITY_SERIES) * 42 + LEAN_FUTURES <= 2_500
    assert len({row.key for row in listing}) == len(listing)


@pytest.mark.parametrize("size", [Size.DEMO, Size.SMALL])
def test_every_series_has_room_for_its_window(size: Size) -> None:
    strikes = Counter(
        (row.key.segment, row.underlying, row.expiry, row.option_type)
        for row in listing_of(size=size)
        if row.option_type is not None
    )

    assert min(strikes.values()) >= 41
    near = option_expiries(listing_of(size=size))["NIFTY"][0]
    assert min(count for key, count in strikes.items() if key[1:3] == ("NIFTY", near)) >= 121


def test_ids_of_the_whole_demo_are_unique_in_their_segment_and_repeat_across_segments() -> None:
    keys = [row.key for row in listing_of()]

    assert len(set(keys)) == len(keys)
    assert len({key.security_id for key in keys}) < len(keys)
    assert {InstrumentKey(ExchangeSegment.NSE_EQ, 13), InstrumentKey(ExchangeSegment.IDX_I, 13)} < set(keys)


def test_the_full_listing_has_as_many_instruments_as_the_broker_lists() -> None:
    listing = make_listing(TODAY, size=Size.FULL)

    assert 280_000 <= len(listing) < 290_000
    assert len({row.key for row in listing}) == len(listing)
    assert max(row.key.security_id for row in listing) < 2**31


def test_a_contract_keeps_its_id_on_the_next_day() -> None:
    def ids(today: date) -> dict[tuple[object, ...], InstrumentKey]:
        return {
            (row.exchange, row.type, row.underlying, row.expiry, row.strike, row.option_type): row.key
            for row in listing_of(today, Size.SMALL)
        }

    before, after = ids(TODAY), ids(TODAY + timedelta(days=2))

    both = before.keys() & after.keys()
    assert len(both) > 0.9 * len(before)
    assert all(before[contract] == after[contract] for contract in both)


def test_the_demo_lists_two_hundred_stocks_with_derivatives_and_many_more_without() -> None:
    listing = listing_of()
    with_options = {row.underlying for row in listing if row.type is InstrumentType.OPTSTK}
    shares = Counter(row.key.segment for row in listing if row.type is InstrumentType.EQUITY)

    assert len(with_options) == 200
    assert {"RELIANCE", "HDFCBANK", "INFY", "TCS", "BAJAJ-AUTO", "M&M"} <= with_options
    assert shares == {ExchangeSegment.NSE_EQ: 1_200, ExchangeSegment.BSE_EQ: 1_797}


def test_well_known_instruments_have_the_brokers_ids() -> None:
    expected = {
        (ExchangeSegment.IDX_I, 13): "NIFTY",
        (ExchangeSegment.IDX_I, 38): "NIFTY NEXT 50",
        (ExchangeSegment.IDX_I, 83): "SNSX50",
        (ExchangeSegment.IDX_I, 21): "INDIA VIX",
        (ExchangeSegment.NSE_EQ, 2885): "RELIANCE",
        (ExchangeSegment.NSE_EQ, 1333): "HDFCBANK",
        (ExchangeSegment.NSE_EQ, 11536): "TCS",
        (ExchangeSegment.BSE_EQ, 500325): "RELIANCE",
    }

    symbols = {(row.key.segment, row.key.security_id): row.symbol for row in listing_of()}

    assert {key: symbols.get(key) for key in expected} == expected


def test_options_on_commodities_expire_before_their_future() -> None:
    for commodity in ("CRUDEOIL", "NATURALGAS"):
        rows = [row for row in listing_of(size=Size.SMALL) if row.underlying == commodity]
        futures = sorted(row.expiry for row in rows if row.type is InstrumentType.FUTCOM and row.expiry)

        options = option_expiries(rows)[commodity]

        mapped = [min(future for future in futures if future >= expiry) for expiry in options]
        assert len(options) == 3
        assert all(0 < (future - expiry).days < 7 for expiry, future in zip(options, mapped, strict=True))
        assert len(set(mapped)) == 3


def join_chunks(chunks: Iterator[bytes] | None) -> str:
    assert chunks is not None
    return b"".join(chunks).decode("ascii")


@pytest.mark.parametrize("layout", scrip_master.Layout)
def test_both_files_parse_to_the_listing(layout: scrip_master.Layout) -> None:
    listing = listing_of(size=Size.SMALL)[::5]  # Still rows of every kind.
    text = join_chunks(InstrumentFiles(listing).chunks(layout))

    reading = scrip_master.read_rows(text.split("\n"), as_of=TODAY)
    rows = list(reading)

    assert sum(reading.skipped.values()) == 0
    assert [(row.segment, row.security_id, row.instrument_type) for row in rows] == [
        (row.key.segment, row.key.security_id, row.type) for row in listing
    ]
    assert [(row.underlying_symbol, row.expiry, row.option_type, row.lot_size) for row in rows] == [
        (row.underlying, row.expiry, row.option_type, row.lot) for row in listing
    ]
    assert [None if row.strike is None else float(row.strike) for row in rows] == [row.strike for row in listing]
    assert [float(row.tick_size) for row in rows] == pytest.approx([row.tick for row in listing])


def test_the_files_end_like_the_brokers() -> None:
    files = InstrumentFiles(listing_of(size=Size.SMALL))
    compact = join_chunks(files.chunks(scrip_master.Layout.COMPACT))
    detailed = join_chunks(files.chunks(scrip_master.Layout.DETAILED))

    assert not compact.endswith("\n")
    assert not detailed.endswith("\n")
    assert {line.count(",") for line in compact.split("\n")} == {15}
    assert {line.count(",") for line in detailed.split("\n")} == {32}
    assert all(line.endswith(",") for line in detailed.split("\n"))


def test_compact_rows_look_like_the_brokers() -> None:
    lines = set(instrument_files.compact_lines(listing_of(size=Size.SMALL)))

    assert "NSE,E,2885,EQUITY,0,RELIANCE,1.0,Reliance Industries,,,,10.0000,NA,ES,EQ,RELIANCE INDUSTRIES LTD" in lines
    assert "NSE,I,13,INDEX,0,NIFTY,1.0,Nifty 50,0001-01-01,,XX,0.0500,,INDEX,X,NIFTY" in lines
    futures = [line for line in lines if ",FUTIDX,0,SENSEX-Nov2026-FUT," in line]
    assert [line.split(",", 3)[3] for line in futures] == [
        "FUTIDX,0,SENSEX-Nov2026-FUT,20.0,SENSEX NOV  FUT,2026-11-26 15:30:00,0.00000,,5.0000,M,FUTIDX,,BSXFUT"
    ]
    options = [line for line in lines if ",NIFTY 01 DEC 26000 CALL," in line]
    assert [line.split(",", 3)[3] for line in options] == [
        "OPTIDX,0,NIFTY-Dec2026-26000-CE,65.0,NIFTY 01 DEC 26000 CALL,2026-12-01 14:30:00,26000.00000,CE,5.0000,W,OP,,"
    ]
