"""Which row an instrument has after an import, and which listed instrument continues one that is gone."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from marketdata import selectors, services
from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from marketdata.domain.succession import Change
from marketdata.models import Instrument
from marketdata.selectors import SeriesSuccessor, Successor
from tests import master_lines as made

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 2, 10, 2, 30, tzinfo=UTC)
TODAY = date(2026, 2, 10)
RELIANCE_FUTURE = (
    "NSE,D,59460,FUTSTK,0,RELIANCE-Feb2026-FUT,500.0,RELIANCE FEB FUT,2026-02-24 14:30:00,-0.01000,XX,10.0000,M,FUT,,"
)
TCS_FUTURE = RELIANCE_FUTURE.replace("59460", "59489").replace("RELIANCE", "TCS")
TCS = made.RELIANCE.replace("2885", "11536").replace("RELIANCE", "TCS")
# Rows that stay, so that the few rows that go do not look like a truncated file.
OTHERS = [
    *(made.RELIANCE.replace("2885", str(one)).replace("RELIANCE", f"S{one}") for one in range(100, 130)),
    *(RELIANCE_FUTURE.replace("59460", str(one)).replace("RELIANCE", f"S{one}") for one in range(100, 130)),
]


@pytest.fixture(autouse=True)
def on_tenth_of_february(settings: Settings) -> None:
    settings.MARKET_DATE = TODAY


def import_rows(directory: Path, *rows: str, day: int = 0, as_of: date = TODAY) -> None:
    path = directory / "master.csv"
    path.write_text(made.compact_text(*OTHERS, *rows))
    record = services.import_instruments(source=str(path), as_of=as_of, now=NOW + timedelta(days=day))
    assert record.refusal == ""


def listed(security_id: int) -> Instrument:
    return Instrument.objects.get(is_listed=True, security_id=security_id)


def test_a_moved_expiry_keeps_the_row_and_its_former_terms_lead_to_it(tmp_path: Path) -> None:
    import_rows(tmp_path, made.NIFTY, made.BANKNIFTY, made.NIFTY_WEEKLY_CALL)
    before = listed(48236)

    import_rows(tmp_path, made.NIFTY, made.BANKNIFTY, made.NIFTY_WEEKLY_CALL.replace("2026-02-17", "2026-02-16"), day=1)

    moved = listed(48236)
    assert (moved.pk, moved.token) == (before.pk, "NIFTY_16FEB2026_26000CE")
    former = Instrument.objects.get(is_listed=False)
    assert (former.token, former.first_seen_at) == ("NIFTY_17FEB2026_26000CE", NOW)
    was, present = (SeriesKey(ExchangeSegment.NSE_FNO, "NIFTY", date(2026, 2, day)) for day in (17, 16))
    assert selectors.list_series_successors(keys=[was, present]) == {was: SeriesSuccessor(present, Change.EXPIRY_MOVED)}
    assert selectors.list_successors(instrument_ids=[former.pk, moved.pk]) == {
        former.pk: Successor(moved.pk, Change.EXPIRY_MOVED)
    }


def test_an_expiry_that_moves_back_has_the_same_row_again(tmp_path: Path) -> None:
    moved = made.NIFTY_WEEKLY_CALL.replace("2026-02-17", "2026-02-16")
    import_rows(tmp_path, made.NIFTY, made.BANKNIFTY, made.NIFTY_WEEKLY_CALL)
    first = listed(48236).pk
    import_rows(tmp_path, made.NIFTY, made.BANKNIFTY, moved, day=1)

    import_rows(tmp_path, made.NIFTY, made.BANKNIFTY, made.NIFTY_WEEKLY_CALL, day=2)

    assert (listed(48236).pk, listed(48236).token) == (first, "NIFTY_17FEB2026_26000CE")


def test_the_expiry_of_a_commodity_future_moves_with_its_options(tmp_path: Path) -> None:
    import_rows(tmp_path, made.CRUDE_FUTURE, made.CRUDE_CALL)
    future = listed(467013).pk

    later = made.CRUDE_FUTURE.replace("2026-02-19", "2026-02-20"), made.CRUDE_CALL.replace("2026-02-17", "2026-02-18")
    import_rows(tmp_path, *later, day=1)

    assert (listed(467013).pk, listed(467013).token) == (future, "CRUDEOIL_20FEB2026_FUT")
    assert listed(488330).underlying_id == future
    was, present = (SeriesKey(ExchangeSegment.MCX_COMM, "CRUDEOIL", date(2026, 2, day)) for day in (17, 18))
    assert selectors.list_series_successors(keys=[was]) == {was: SeriesSuccessor(present, Change.EXPIRY_MOVED)}


def test_an_id_that_is_free_since_an_expiry_is_another_contract(tmp_path: Path) -> None:
    import_rows(tmp_path, made.CRUDE_FUTURE)
    first = listed(467013).pk

    import_rows(tmp_path, made.CRUDE_FUTURE.replace("2026-02-19", "2026-05-19"), day=10, as_of=date(2026, 2, 20))

    assert listed(467013).pk != first


def test_exchanged_ids_are_two_new_rows_and_each_contract_leads_to_its_own(tmp_path: Path) -> None:
    import_rows(tmp_path, RELIANCE_FUTURE, TCS_FUTURE)
    reliance, tcs = listed(59460).pk, listed(59489).pk

    exchanged = RELIANCE_FUTURE.replace("59460", "59489"), TCS_FUTURE.replace("59489", "59460")
    import_rows(tmp_path, *exchanged, day=1)

    assert selectors.list_successors(instrument_ids=[reliance, tcs]) == {
        reliance: Successor(listed(59489).pk, Change.NEW_ID),
        tcs: Successor(listed(59460).pk, Change.NEW_ID),
    }
    assert (listed(59489).underlying_symbol, listed(59460).underlying_symbol) == ("RELIANCE", "TCS")


def test_two_months_of_one_future_that_exchange_ids_are_not_moved_expiries(tmp_path: Path) -> None:
    march = RELIANCE_FUTURE.replace("59460", "59461").replace("2026-02-24", "2026-03-30")
    import_rows(tmp_path, RELIANCE_FUTURE, march)
    february = listed(59460).pk

    import_rows(tmp_path, RELIANCE_FUTURE.replace("59460", "59461"), march.replace("59461", "59460"), day=1)

    found = selectors.list_successors(instrument_ids=[february])
    assert found == {february: Successor(listed(59461).pk, Change.NEW_ID)}
    assert listed(59461).token == "RELIANCE_24FEB2026_FUT"


def test_exchanged_ids_of_two_shares_are_no_renaming(tmp_path: Path) -> None:
    import_rows(tmp_path, made.RELIANCE, TCS)
    reliance = listed(2885).pk

    import_rows(tmp_path, made.RELIANCE.replace("2885", "11536"), TCS.replace("11536", "2885"), day=1)

    assert listed(2885).pk != reliance
    found = selectors.list_successors(instrument_ids=[reliance])
    assert found == {reliance: Successor(listed(11536).pk, Change.NEW_ID)}


def test_a_renamed_share_keeps_its_row_and_its_contracts_lead_to_the_new_name(tmp_path: Path) -> None:
    import_rows(tmp_path, made.RELIANCE, made.RELIANCE_CALL, TCS)
    share, call = listed(2885).pk, listed(131533).pk

    import_rows(tmp_path, *[row.replace("RELIANCE", "JIO") for row in (made.RELIANCE, made.RELIANCE_CALL)], TCS, day=1)

    assert (listed(2885).pk, listed(2885).token) == (share, "JIO")
    assert (listed(131533).pk, listed(131533).underlying_id) == (call, share)
    was, present = (SeriesKey(ExchangeSegment.NSE_FNO, name, date(2026, 2, 24)) for name in ("RELIANCE", "JIO"))
    assert selectors.list_series_successors(keys=[was]) == {was: SeriesSuccessor(present, Change.RENAMED)}


def test_a_name_that_was_listed_before_is_no_renaming(tmp_path: Path) -> None:
    import_rows(tmp_path, made.RELIANCE, TCS)
    reliance = listed(2885).pk

    import_rows(tmp_path, TCS.replace("11536", "2885"), day=1)

    assert listed(2885).pk != reliance
    assert selectors.list_successors(instrument_ids=[reliance]) == {reliance: None}


def test_a_share_in_another_series_leads_to_its_new_id(tmp_path: Path) -> None:
    bond = made.RELIANCE.replace("2885", "7").replace(",ES,EQ,", ",DEB,N2,")
    import_rows(tmp_path, made.RELIANCE, bond)
    share, debt = listed(2885).pk, listed(7).pk

    import_rows(tmp_path, made.RELIANCE.replace("2885", "2889").replace(",EQ,", ",BE,"), day=1)

    assert selectors.list_successors(instrument_ids=[share, debt]) == {
        share: Successor(listed(2889).pk, Change.NEW_ID),
        debt: None,
    }


def test_a_share_with_a_new_id_and_a_new_name_leads_there_by_its_isin(tmp_path: Path) -> None:
    path, header = tmp_path / "master.csv", made.DETAILED_APRIL_2026
    for day, row in enumerate(
        (made.APRIL_RELIANCE, made.APRIL_RELIANCE.replace("2885,", "9,").replace("CE,REL", "CE,J"))
    ):
        path.write_text("".join(made.detailed(header, row.replace(",RELIANCE,", ",JIO,") if day else row)))
        services.import_instruments(source=str(path), as_of=TODAY, now=NOW + timedelta(days=day))

    gone = Instrument.objects.get(is_listed=False)
    assert selectors.list_successors(instrument_ids=[gone.pk]) == {gone.pk: Successor(listed(9).pk, Change.NEW_ID)}


def test_expired_contracts_are_not_reviewed(tmp_path: Path, settings: Settings) -> None:
    import_rows(tmp_path, RELIANCE_FUTURE, TCS_FUTURE)
    gone = listed(59460).pk
    import_rows(tmp_path, TCS_FUTURE, day=1)
    assert selectors.list_successors(instrument_ids=[gone]) == {gone: None}

    settings.MARKET_DATE = date(2026, 2, 25)

    assert selectors.list_successors(instrument_ids=[gone]) == {}
