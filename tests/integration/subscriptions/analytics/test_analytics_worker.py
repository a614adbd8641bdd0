"""Analytics on the running stack: simulator, feed worker, analytics worker and web process."""

import asyncio
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from django.db import connection
from django.utils import timezone
from knox.models import get_token_model

from accounts.models import User
from marketdata import derived_board, straddle_board
from marketdata import services as market_services
from marketdata.domain.analytics.straddle_points import POINT, day_of, minute_of
from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from subscriptions.analytics.worker import LEADER_LOCK
from tests.integration.subscriptions.feed.feed_workers import Worker, running_worker
from tests.simulators import SimulatorAddress, running_simulator
from tests.waiting import wait_until
from tests.web_servers import running_web_process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]

ADD = "/api/v2/watchlist/add"
ENTRY = {"symbol": "NIFTY", "instrument_type": "INDEX_OPTION"}
CHAIN = "/api/v2/option-chain/NIFTY?strikes=11"
STRADDLE = "/api/v2/instruments/NIFTY/straddle"
STRIKES_STREAMED = 101
"""Of the NIFTY series, preloaded: fifty on each side of the money."""
STALE_SECONDS = 3.0
"""Promised."""


@pytest.fixture
def simulator() -> Iterator[SimulatorAddress]:
    with running_simulator(rate=4_000) as address:
        market_services.import_instruments(source=address.instruments_url, now=timezone.now())
        yield address


def read_chain(caller: httpx.Client) -> dict[str, Any]:
    answer: dict[str, Any] = caller.get(CHAIN).raise_for_status().json()
    return answer


def count_known(chain: dict[str, Any], *fields: str) -> int:
    """Return the number of options of which all these fields are known."""
    sides = (side for row in chain["strikes"] for side in (row["ce"], row["pe"]))
    return sum(all(side[name] is not None for name in fields) for side in sides)


def at_the_money(chain: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the call and the put at the money."""
    return next((row["ce"], row["pe"]) for row in chain["strikes"] if row["is_atm"])


def is_computed(chain: dict[str, Any]) -> bool:
    """Return whether all options shown have a volatility, those at the money a price, and most strikes of the series.

    Packets arrive in the simulator's order, so the strikes far from the money may come last.
    """
    return (
        count_known(chain, "iv") == 22
        and all(one["ltp"] is not None for one in at_the_money(chain))
        and chain["series"]["strikes_counted"] > STRIKES_STREAMED // 2
    )


def read_points(caller: httpx.Client) -> dict[str, Any]:
    answer: dict[str, Any] = caller.get(STRADDLE).raise_for_status().json()
    return answer


def store_point_of_former_worker(expiry: date) -> int:
    """Store a point of the last minute, or in the first minute of a day of that one; return its minute."""

    async def main() -> None:
        writer = straddle_board.connect_writer()
        try:
            series = SeriesKey(ExchangeSegment.NSE_FNO, "NIFTY", expiry)
            assert await writer.append([series], point, epoch=1) == 1
        finally:
            await writer.aclose()

    now = minute_of(time.time_ns() // 1_000_000)
    point = np.zeros(1, dtype=POINT)
    point["minute"], point["straddle"], point["atm_strike"] = now - (day_of(now) == day_of(now - 1)), 100, 25_000
    asyncio.run(main())
    return int(point["minute"][0])


def test_a_streamed_chain_has_analytics_and_none_when_the_worker_has_ended(
    simulator: SimulatorAddress, tmp_path: Path
) -> None:
    _, token = get_token_model().objects.create(user=User.objects.create_user("asha"))
    broker = {"DHAN_REST_URL": simulator.rest_url, "DHAN_CLIENT_ID": simulator.client_id}
    broker["DHAN_ACCESS_TOKEN"] = simulator.access_token
    with (
        running_worker(tmp_path, name="feed", simulator=simulator),
        running_web_process(tmp_path, **broker) as (web, _),
        httpx.Client(base_url=f"http://{web}", headers={"Authorization": f"Token {token}"}) as caller,
    ):
        caller.post(ADD, json=ENTRY).raise_for_status()
        former = store_point_of_former_worker(date.fromisoformat(read_points(caller)["expiry"]))
        with running_worker(tmp_path, name="analytics", simulator=simulator, queue="analytics") as worker:
            wait_until(lambda: is_computed(read_chain(caller)), seconds=30, message="the series is computed")
            chain = read_chain(caller)
            # At once, not with the next minute; the points of the worker before it stay.
            wait_until(lambda: len(read_points(caller)["points"]) > 1, seconds=70, message="the straddle has a point")
            points = read_points(caller)["points"]
            worker.kill()

        assert points[0][:3] == [former * 60, 100.0, 25_000.0]
        assert points[1][0] >= former * 60 + 60
        assert points[1][1] == pytest.approx(chain["series"]["straddle"], rel=0.2)
        assert points[1][2] == pytest.approx(chain["atm"], rel=0.02)

        series = chain["series"]
        assert series["strikes_counted"] <= series["strikes_listed"]
        assert series["forward"] == pytest.approx(chain["spot"]["ltp"], rel=0.02)
        assert 5 < series["atm_iv"] < 60
        call, put = at_the_money(chain)
        assert series["straddle"] == pytest.approx(call["ltp"] + put["ltp"], rel=0.1)
        assert call["delta"] == pytest.approx(0.5, abs=0.15)
        assert put["delta"] == pytest.approx(-0.5, abs=0.15)
        assert call["theta"] < 0 < call["vega"]
        wait_until(
            lambda: count_known(read_chain(caller), "iv") == 0,
            seconds=STALE_SECONDS + 1,
            message="no analytics of the past",
        )
        gone = read_chain(caller)
        assert gone["series"]["atm_iv"] is None
        assert gone["strikes"][0]["ce"]["iv_reason"] == "not_computed"
        assert at_the_money(gone)[0]["ltp"] is not None


def test_a_spare_takes_over_from_a_killed_leader(tmp_path: Path) -> None:
    with (
        running_simulator(rate=2_000) as simulator,
        running_worker(tmp_path, name="first", simulator=simulator, queue="analytics") as leader,
    ):
        wait_until(lambda: leads(leader), seconds=30, message="the first one leads")
        with running_worker(tmp_path, name="second", simulator=simulator, queue="analytics") as spare:
            wait_until(lambda: "ready" in spare.log.read_text(), seconds=30, message="the second one is ready")
            assert not leads(spare)

            leader.kill()

            wait_until(lambda: leads(spare), seconds=10, message="the second one leads")
            leads_from = timezone.now()
            wait_until(
                lambda: (last := derived_board.connect().last_flush()) is not None and last > leads_from,
                seconds=10,
                message="it computes",
            )
            assert spare.stop() == 0


def test_a_leader_that_has_lost_its_lock_gives_way_and_waits_again(tmp_path: Path) -> None:
    with (
        running_simulator(rate=2_000) as simulator,
        running_worker(tmp_path, name="first", simulator=simulator, queue="analytics") as former,
    ):
        wait_until(lambda: leads(former), seconds=30, message="the first one leads")
        wait_until(lambda: derived_board.connect().last_flush() is not None, seconds=10, message="it computes")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON oid = database "
                "WHERE locktype = 'advisory' AND objid = %s AND datname = current_database()",
                [LEADER_LOCK],
            )
            assert cursor.fetchall() == [(True,)]
        with running_worker(tmp_path, name="second", simulator=simulator, queue="analytics") as other:
            wait_until(lambda: leads(other), seconds=30, message="the second one leads")

            wait_until(
                lambda: "another worker leads" in former.log.read_text(), seconds=10, message="the first one notices"
            )
            assert former.process.poll() is None
            assert other.stop() == 0


def leads(worker: Worker) -> bool:
    return "leading the computation of analytics" in worker.log.read_text()
