"""Importing the instrument file: the written rows, the changes of a second run, the links of contracts."""

import gzip
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from marketdata import services
from marketdata.dhan.scrip_master import Layout
from marketdata.domain.instruments import ExchangeSegment
from marketdata.models import Instrument, InstrumentImport
from tests import master_lines as made
from tests.integration.simulator.feeds import TODAY as LISTED_ON
from tests.integration.simulator.feeds import few_files

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 2, 10, 2, 30, tzinfo=UTC)
TODAY = date(2026, 2, 10)
WHOLE = (
    made.NIFTY,
    made.BANKNIFTY,
    made.SENSEX,
    made.RELIANCE,
    made.BSE_RELIANCE,
    made.NIFTY_FUTURE,
    made.NIFTY_WEEKLY_CALL,
    made.NIFTY_MONTHLY_CALL,
    made.SENSEX_PUT,
    made.RELIANCE_CALL,
    made.BSE_RELIANCE_CALL,
    made.CRUDE_FUTURE,
    made.CRUDE_CALL,
    made.RUPEE_FUTURE,
    made.NO_FEED,
)


def write_master(directory: Path, *rows: str, header: str = made.COMPACT_HEADER, name: str = "master.csv") -> str:
    path = directory / name
    text = "".join(made.detailed(header, *rows))
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return str(path)


def run(source: str, *, as_of: date = TODAY, now: datetime = NOW) -> InstrumentImport:
    return services.import_instruments(source=source, as_of=as_of, now=now)


def listed(token: str, *, exchange: str = "NSE") -> Instrument:
    return Instrument.objects.get(is_listed=True, token=token, exchange=exchange)


def test_an_import_writes_the_accepted_rows_and_records_the_counts(tmp_path: Path) -> None:
    record = run(write_master(tmp_path, *WHOLE))

    assert record.refusal == ""
    assert (record.rows_read, record.rows_kept, record.skipped) == (15, 14, {"no feed segment": 1})
    assert (record.inserted, record.changed, record.delisted) == (14, 0, 0)
    assert (record.layout, record.as_of, record.started_at) == ("compact", TODAY, NOW)
    assert record.finished_at is not None
    assert InstrumentImport.objects.get() == record
    assert Instrument.objects.filter(is_listed=True).count() == 14
    call = listed("RELIANCE_24FEB2026_1500CE")
    assert (call.exchange_segment, call.security_id, call.lot_size) == (ExchangeSegment.NSE_FNO, 131533, 500)
    assert (call.strike, call.tick_size, call.expiry) == (Decimal(1500), Decimal("0.05"), date(2026, 2, 24))
    assert (call.first_seen_at, call.last_changed_at) == (NOW, NOW)


@pytest.mark.django_db(transaction=True)
def test_searches_after_an_import_need_not_read_the_pages_that_it_wrote(tmp_path: Path) -> None:
    run(write_master(tmp_path, *WHOLE))

    with connection.cursor() as cursor:
        cursor.execute("SELECT relallvisible = relpages, relpages > 0 FROM pg_class WHERE relname = 'instruments'")
        assert cursor.fetchone() == (True, True)


@pytest.mark.parametrize("name", ["master.csv", "master.csv.gz", "gzip-without-saying-so.csv"])
def test_plain_and_gzip_files_are_distinguished_by_their_bytes(tmp_path: Path, name: str) -> None:
    source = write_master(tmp_path, *WHOLE, name="master.csv.gz" if "gz" in name else name)
    path = Path(source).rename(tmp_path / name)

    assert run(str(path)).rows_kept == 14


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    source = write_master(tmp_path, *WHOLE)
    run(source)
    before = list(Instrument.objects.order_by("id").values())

    again = run(source, now=NOW + timedelta(hours=1))

    assert (again.inserted, again.changed, again.delisted) == (0, 0, 0)
    assert list(Instrument.objects.order_by("id").values()) == before


def test_derivatives_are_linked_to_their_underlying(tmp_path: Path) -> None:
    run(write_master(tmp_path, *WHOLE))

    def spot_of(token: str, *, exchange: str = "NSE") -> tuple[str, str]:
        spot = listed(token, exchange=exchange).underlying
        assert spot is not None
        return (spot.exchange, spot.token)

    assert spot_of("NIFTY_17FEB2026_26000CE") == ("NSE", "NIFTY")
    assert spot_of("NIFTY_24FEB2026_FUT") == ("NSE", "NIFTY")
    assert spot_of("SENSEX_25MAR2026_79000PE", exchange="BSE") == ("BSE", "SENSEX")
    assert spot_of("RELIANCE_24FEB2026_1500CE") == ("NSE", "RELIANCE")
    assert spot_of("RELIANCE_26FEB2026_1500CE", exchange="BSE") == ("BSE", "RELIANCE")
    assert spot_of("CRUDEOIL_17FEB2026_5800CE", exchange="MCX") == ("MCX", "CRUDEOIL_19FEB2026_FUT")
    assert listed("CRUDEOIL_19FEB2026_FUT", exchange="MCX").underlying is None
    assert listed("USDINR_25FEB2026_FUT").underlying is None


def test_the_spot_of_a_commodity_option_is_the_first_future_that_expires_later(tmp_path: Path) -> None:
    march = made.CRUDE_FUTURE.replace("467013", "472789").replace("2026-02-19", "2026-03-19").replace("19Feb", "19Mar")
    mini = made.CRUDE_FUTURE.replace("467013", "5").replace("CRUDEOIL", "CRUDEOILM").replace("2026-02-19", "2026-02-18")
    later = made.CRUDE_CALL.replace("488330", "6").replace("2026-02-17", "2026-03-17").replace("17Feb", "17Mar")
    orphan = made.CRUDE_CALL.replace("488330", "7").replace("2026-02-17", "2026-04-16").replace("17Feb", "16Apr")

    run(write_master(tmp_path, march, mini, made.CRUDE_FUTURE, made.CRUDE_CALL, later, orphan))

    linked = Instrument.objects.filter(instrument_type="OPTFUT").values_list("expiry", "underlying__security_id")
    assert dict(linked) == {date(2026, 2, 17): 467013, date(2026, 3, 17): 472789, date(2026, 4, 16): None}


def test_options_are_linked_again_when_an_earlier_future_is_listed(tmp_path: Path) -> None:
    march = made.CRUDE_FUTURE.replace("467013", "472789").replace("2026-02-19", "2026-03-19").replace("19Feb", "19Mar")
    run(write_master(tmp_path, march, made.CRUDE_CALL))

    record = run(write_master(tmp_path, march, made.CRUDE_CALL, made.CRUDE_FUTURE))

    assert (record.inserted, record.changed) == (1, 1)
    spot = listed("CRUDEOIL_17FEB2026_5800CE", exchange="MCX").underlying
    assert spot is not None
    assert spot.security_id == 467013


def test_next_fifty_derivatives_are_linked_to_their_index_by_its_other_name(tmp_path: Path) -> None:
    call = made.NIFTY_MONTHLY_CALL.replace("NIFTY-Feb", "NIFTYNXT50-Feb")
    run(write_master(tmp_path, made.NIFTY, made.BANKNIFTY, made.NIFTY_NEXT_50, call))

    spot = listed("NIFTYNXT50_24FEB2026_26000CE").underlying
    assert spot is not None
    assert (spot.security_id, spot.token, spot.display_name) == (38, "NIFTYNXT50", "Nifty Next 50")


def test_the_ordinary_share_of_a_symbol_has_the_token_without_a_suffix(tmp_path: Path) -> None:
    bond = made.RELIANCE.replace("2885", "7").replace(",ES,EQ,", ",DEB,N2,")
    trade_to_trade = made.RELIANCE.replace("2885", "8").replace(",ES,EQ,", ",ES,BE,")
    run(write_master(tmp_path, bond, trade_to_trade, made.RELIANCE, made.BSE_RELIANCE))

    tokens = Instrument.objects.filter(exchange="NSE").values_list("security_id", "token")
    assert dict(tokens) == {2885: "RELIANCE", 8: "RELIANCE-BE", 7: "RELIANCE-N2"}
    assert listed("RELIANCE", exchange="BSE").security_id == 500325


def test_without_an_ordinary_share_another_share_precedes_bonds(tmp_path: Path) -> None:
    bond = made.RELIANCE.replace("2885", "7").replace(",ES,EQ,", ",DEB,N2,")
    small = made.RELIANCE.replace("2885", "8").replace(",ES,EQ,", ",ES,SM,")
    twin = made.RELIANCE.replace("2885", "9").replace(",ES,EQ,", ",DEB,N2,")
    run(write_master(tmp_path, bond, small, twin))

    tokens = Instrument.objects.values_list("security_id", "token")
    assert dict(tokens) == {8: "RELIANCE", 7: "RELIANCE-N2", 9: "RELIANCE-N2-9"}


def test_an_index_precedes_a_fund_of_the_same_name_and_keeps_its_derivatives(tmp_path: Path) -> None:
    fund = made.BSE_RELIANCE.replace("RELIANCE,1", "SENSEX,1").replace(",ES,A,", ",ETF,B,").replace("500325", "5")
    run(write_master(tmp_path, fund, made.SENSEX, made.SENSEX_PUT))

    assert dict(Instrument.objects.filter(expiry=None).values_list("security_id", "token")) == {
        51: "SENSEX",
        5: "SENSEX-B",
    }
    spot = listed("SENSEX_25MAR2026_79000PE", exchange="BSE").underlying
    assert spot is not None
    assert spot.security_id == 51


def test_missing_and_expired_instruments_are_unlisted_and_not_deleted(tmp_path: Path) -> None:
    run(write_master(tmp_path, *WHOLE))

    record = run(write_master(tmp_path, *WHOLE), as_of=date(2026, 2, 18), now=NOW + timedelta(days=8))

    assert (record.skipped["expired"], record.delisted, record.inserted) == (2, 2, 0)
    unlisted = Instrument.objects.filter(is_listed=False).order_by("token")
    assert [one.token for one in unlisted] == ["CRUDEOIL_17FEB2026_5800CE", "NIFTY_17FEB2026_26000CE"]
    assert {one.last_changed_at for one in unlisted} == {NOW + timedelta(days=8)}


def test_an_instrument_that_returns_keeps_its_row(tmp_path: Path) -> None:
    run(write_master(tmp_path, *WHOLE))
    first = listed("NIFTY_24FEB2026_26000CE")
    run(write_master(tmp_path, *[row for row in WHOLE if row != made.NIFTY_MONTHLY_CALL]))

    record = run(write_master(tmp_path, *WHOLE))

    assert (record.inserted, record.changed) == (0, 1)
    assert listed("NIFTY_24FEB2026_26000CE").pk == first.pk


def test_a_reused_security_id_is_a_new_instrument(tmp_path: Path) -> None:
    run(write_master(tmp_path, *WHOLE))
    old = listed("RELIANCE_24FEB2026_1500CE")
    reused = made.RELIANCE_CALL.replace("1500", "1620")

    record = run(write_master(tmp_path, *[reused if row == made.RELIANCE_CALL else row for row in WHOLE]))

    assert (record.inserted, record.changed, record.delisted) == (1, 0, 1)
    old.refresh_from_db()
    assert not old.is_listed
    assert old.strike == 1500
    new = listed("RELIANCE_24FEB2026_1620CE")
    assert new.pk != old.pk
    assert new.security_id == old.security_id


def test_a_changed_lot_size_updates_the_row_and_its_time(tmp_path: Path) -> None:
    run(write_master(tmp_path, *WHOLE))
    old = listed("RELIANCE_24FEB2026_1500CE")

    record = run(
        write_master(tmp_path, *[row.replace("1500-CE,500.0", "1500-CE,650.0") for row in WHOLE]),
        now=NOW + timedelta(days=1),
    )

    assert (record.inserted, record.changed, record.delisted) == (0, 2, 0)
    new = Instrument.objects.get(pk=old.pk)
    assert (new.lot_size, new.first_seen_at, new.last_changed_at) == (650, NOW, NOW + timedelta(days=1))


def test_a_company_that_changes_its_name_stays_the_same_instrument(tmp_path: Path) -> None:
    header = made.DETAILED_APRIL_2026
    run(write_master(tmp_path, made.APRIL_RELIANCE, header=header))
    old = listed("RELIANCE")

    run(write_master(tmp_path, made.APRIL_RELIANCE.replace(",RELIANCE,", ",JIO,"), header=header))

    assert listed("JIO").pk == old.pk


def test_the_compact_file_does_not_delete_an_isin(tmp_path: Path) -> None:
    run(write_master(tmp_path, made.APRIL_RELIANCE, header=made.DETAILED_APRIL_2026))

    run(write_master(tmp_path, made.RELIANCE))

    assert listed("RELIANCE").isin == "INE002A01018"


def test_equal_security_ids_of_two_segments_are_two_instruments(tmp_path: Path) -> None:
    run(write_master(tmp_path, made.NIFTY, made.RELIANCE.replace("2885", "13")))

    assert set(Instrument.objects.values_list("exchange_segment", "security_id")) == {(0, 13), (1, 13)}


def test_an_import_runs_the_same_number_of_statements_at_any_size(tmp_path: Path) -> None:
    small = write_master(tmp_path, made.NIFTY, made.RELIANCE, name="small.csv")
    shares = [made.RELIANCE.replace("2885", str(one)).replace(",RELIANCE,", f",S{one},") for one in range(500)]
    large = write_master(tmp_path, *shares, made.NIFTY, name="large.csv")

    with CaptureQueriesContext(connection) as few:
        run(small)
    with CaptureQueriesContext(connection) as many:
        run(large)

    assert len(many) == len(few)


def test_an_import_blocks_other_imports_and_no_readers(tmp_path: Path) -> None:
    run(write_master(tmp_path, *WHOLE))

    # The locks of the import are owned until the end of the test's transaction.
    with connection.cursor() as cursor:
        cursor.execute("SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'instruments'::regclass")
        modes = {mode for (mode,) in cursor.fetchall()}
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory' AND objid = %s",
            [0x494E5354],
        )
        advisory = cursor.fetchone()
    assert modes <= {"AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock"}
    assert advisory == (1,)


def test_both_files_of_the_simulator_list_the_same_instruments(tmp_path: Path) -> None:
    for layout in Layout:
        (tmp_path / layout).write_bytes(b"".join(few_files().chunks(layout) or ()))

    compact = run(str(tmp_path / Layout.COMPACT), as_of=LISTED_ON)
    before = set(Instrument.objects.filter(is_listed=True).values_list("token", "exchange", "underlying__token"))
    detailed = run(str(tmp_path / Layout.DETAILED), as_of=LISTED_ON)

    assert (compact.refusal, detailed.refusal) == ("", "")
    assert (compact.layout, detailed.layout) == ("compact", "detailed")
    assert compact.rows_kept == detailed.rows_kept == compact.rows_read > 1_000
    assert (detailed.inserted, detailed.delisted) == (0, 0)
    assert (
        set(Instrument.objects.filter(is_listed=True).values_list("token", "exchange", "underlying__token")) == before
    )


def test_the_command_reports_the_read_accepted_and_skipped_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("import_instruments", write_master(tmp_path, *WHOLE), "--as-of", "2026-02-18")

    output = capsys.readouterr().out
    assert "Rows read 15, kept 12" in output
    assert "skipped, expired: 2" in output
    assert "skipped, no feed segment: 1" in output
    assert "New 12, changed 0, delisted 0 (compact, as of 2026-02-18)" in output


def test_the_command_fails_with_the_reason_of_the_refusal(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"Refused, nothing was changed\. .*missing\.csv cannot be read: No such"):
        call_command("import_instruments", str(tmp_path / "missing.csv"))
