"""R26: a bad instrument file is reported and changes nothing; a good one replaces the whole list.

The kinds of bad files and their error texts are tested in tests/integration/marketdata; this module tests the effects
on the rest of the terminal.
"""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

import watchlists.services
from marketdata import quote_board, services, tasks
from marketdata.domain.instruments import ExchangeSegment, InstrumentType, SeriesKey
from marketdata.models import Instrument, InstrumentImport
from tests import master_lines as made
from tests.factories import make_user, put_prices
from tests.integration.subscriptions.claim_factories import claim_chain, claim_instrument
from tests.integration.subscriptions.feed.feed_workers import (
    database_url,
    list_subscribed_keys,
    list_wanted_keys,
    running_worker,
)
from tests.processes import REPOSITORY
from tests.simulators import SimulatorAddress, running_simulator
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

SHARES = [made.RELIANCE.replace("2885", str(one)).replace(",RELIANCE,", f",S{one},") for one in range(3_000, 3_100)]
GOOD = made.compact_text(made.NIFTY, made.BANKNIFTY, *SHARES, made.NIFTY_MONTHLY_CALL)
BAD = {
    "empty": "",
    "truncated": GOOD[:-40],
    "an instrument twice": f"{GOOD}\n{SHARES[7].replace(',1.0,', ',2.0,')}",
    "half the rows": made.compact_text(made.NIFTY, made.BANKNIFTY, *SHARES[:48]),
}


def listed() -> Sequence[tuple[object, ...]]:
    return list(Instrument.objects.order_by("id").values_list())


@pytest.mark.parametrize("kind", BAD)
def test_r26_a_bad_file_is_reported_in_health_and_its_record_and_changes_no_list(
    kind: str, tmp_path: Path, settings: Settings, own_board: str
) -> None:
    master = tmp_path / "master.csv"
    master.write_text(GOOD)
    settings.DHAN_INSTRUMENTS_URL = str(master)
    settings.MARKET_DATE = date(2026, 2, 10)
    tasks.import_instruments()
    before = listed()
    assert Client().get("/health").json()["parts"]["instruments"]["status"] == "ok"

    master.write_text(BAD[kind])
    tasks.import_instruments()

    refused = InstrumentImport.objects.latest("pk")
    assert refused.refusal
    assert listed() == before
    part = Client().get("/health").json()["parts"]["instruments"]
    assert (part["status"], part["listed"]) == ("degraded", 103)
    assert "refused" in part["reason"]
    assert (kind == "half the rows") == (" fell from 100 to 48 rows" in part["reason"])
    master.write_text(GOOD)
    tasks.import_instruments()
    assert Client().get("/health").json()["parts"]["instruments"]["status"] == "ok"


def test_r26_an_import_killed_half_way_leaves_the_old_list_intact_and_blocks_no_other_import(
    tmp_path: Path, settings: Settings
) -> None:
    master = tmp_path / "master.csv"
    master.write_text(GOOD)
    services.import_instruments(source=str(master), as_of=date(2026, 2, 10), now=timezone.now())
    before = listed()
    # One contract replaces another, so that the import must write; it waits for the row that this test locks.
    master.write_text(made.compact_text(made.NIFTY, made.BANKNIFTY, *SHARES, made.NIFTY_WEEKLY_CALL))
    gone = Instrument.objects.get(security_id=64872)

    with transaction.atomic():
        Instrument.objects.select_for_update().get(pk=gone.pk)
        process = subprocess.Popen(
            [sys.executable, "manage.py", "import_instruments", str(master), "--as-of", "2026-02-10"],
            cwd=REPOSITORY,
            env=os.environ | {"DATABASE_URL": database_url()},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(waits_for_a_row, seconds=60, message="the import waits for a row lock")
        finally:
            process.kill()
            process.wait(10)

    assert listed() == before
    record = services.import_instruments(source=str(master), as_of=date(2026, 2, 10), now=timezone.now())
    assert (record.refusal, record.inserted, record.delisted) == ("", 1, 1)


def waits_for_a_row() -> bool:
    with connection.cursor() as cursor:
        # Within a transaction PostgreSQL would return the first snapshot again.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            " AND query LIKE '%UPDATE instruments%'"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.usefixtures("own_board", "settled_database")
def test_r26_expired_contracts_are_unsubscribed_and_a_reused_id_streams_as_the_new_contract_only(
    tmp_path: Path, settings: Settings
) -> None:
    with running_simulator(rate=2_000) as simulator, running_worker(tmp_path, name="feed", simulator=simulator):
        services.import_instruments(source=simulator.instruments_url, now=timezone.now())
        old = nearest_call()
        assert old.expiry is not None
        claim_chain(set_spot_to_strike(old), user_id=make_user("asha").pk, width=5)
        quote_board.connect().nudge()
        wait_until(
            lambda: str(old.key) in list_subscribed_keys(simulator), seconds=60, message="the chain is subscribed"
        )

        settings.MARKET_DATE = old.expiry + timedelta(days=1)
        master = write_next_days_list(simulator, tmp_path, reused=old)
        assert services.import_instruments(source=master, now=timezone.now()).refusal == ""
        watchlists.services.release_expired(now=timezone.now())

        wait_until(
            lambda: list_subscribed_keys(simulator) == list_wanted_keys() == [],
            seconds=20,
            message="nothing is subscribed or wanted",
        )
        new = Instrument.objects.get(is_listed=True, exchange_segment=old.exchange_segment, security_id=old.security_id)
        claim_instrument(new.pk, user_id=make_user("ravi").pk)
        quote_board.connect().nudge()

        board = quote_board.connect()
        wait_until(
            lambda: new.pk in board.read_cached([new.pk]), seconds=20, message="a price of the new contract is cached"
        )
        assert new.pk != old.pk
        assert list_subscribed_keys(simulator) == list_wanted_keys() == [str(old.key)]
        # The rows were cached by its former connection, which writes about once a second.
        wait_until(lambda: board.read_cached([old.pk]) == {}, seconds=5, message="no row of the old contract is cached")


def nearest_call() -> Instrument:
    """Return a call of NIFTY's nearest expiry, from the middle of its strikes."""
    options = Instrument.objects.filter(
        is_listed=True, instrument_type=InstrumentType.OPTIDX, underlying_symbol="NIFTY", option_type="CE"
    ).order_by("expiry", "strike")
    nearest = list(options.filter(expiry=options[0].expiry))
    return nearest[len(nearest) // 2]


def set_spot_to_strike(option: Instrument) -> SeriesKey:
    """Set the spot of the option's underlying to its strike; return its series."""
    assert option.underlying_id is not None
    assert option.strike is not None
    assert option.expiry is not None
    put_prices({option.underlying_id: float(option.strike)}, now=timezone.now())
    return SeriesKey(ExchangeSegment(option.exchange_segment), option.underlying_symbol, option.expiry)


def write_next_days_list(simulator: SimulatorAddress, directory: Path, *, reused: Instrument) -> str:
    """Write the broker's list with one id reused by a new contract: another strike of a later expiry."""
    with urllib.request.urlopen(simulator.instruments_url, timeout=10) as answer:  # noqa: S310  loopback
        lines = answer.read().decode().splitlines()
    later = Instrument.objects.filter(
        underlying_symbol=reused.underlying_symbol, option_type="CE", expiry__gt=reused.expiry
    ).order_by("expiry", "strike")[0]
    model_line = next(line for line in lines if f",{later.security_id}," in line)
    strike = f"{later.strike:.5f}"
    assert strike in model_line
    new = model_line.replace(f",{later.security_id},", f",{reused.security_id},", 1).replace(strike, "99950.00000")
    rest = [line for line in lines if not line.startswith(f"NSE,D,{reused.security_id},")]
    path = directory / "next.csv"
    path.write_text("\n".join([*rest, new]))
    return str(path)
