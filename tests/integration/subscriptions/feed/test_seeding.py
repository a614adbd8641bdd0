"""Silent instruments: a feed that accepts subscriptions and sends nothing, and the simulator's REST side."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from websockets.sync.server import ServerConnection, serve

from marketdata import quote_board, rest_board
from marketdata.domain.quote_rows import Known
from tests.broker_answers import make_body, make_item
from tests.brokers import running_broker
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    count_opened_sockets,
    make_subscriptions,
    running_worker,
)
from tests.simulators import SimulatorAddress, running_simulator
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]


@pytest.fixture
def mute_feed() -> Iterator[str]:
    def listen(socket: ServerConnection) -> None:
        for _message in socket:
            pass

    with serve(listen, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join(5)


def test_silent_instruments_are_seeded_from_a_snapshot_and_marked(
    simulator: SimulatorAddress, mute_feed: str, tmp_path: Path
) -> None:
    ids = [one.instrument_id for one in make_subscriptions(simulator, count=1_200)]

    with running_worker(tmp_path, name="feed", simulator=simulator, DHAN_FEED_URL=mute_feed):
        board = quote_board.connect()
        wait_until(
            lambda: len(board.read_cached(ids)) == 1_200, seconds=START_SECONDS, message="a row of every instrument"
        )

        known = np.array([int(row["known"]) for _, row in board.read_cached(ids).values()])

    assert set((known & Known.SNAPSHOT).tolist()) == {Known.SNAPSHOT}
    assert set((known & (Known.DAY | Known.OI)).tolist()) == {Known.DAY | Known.OI}


@pytest.mark.parametrize("fault", ["rest_null", "rest_null_sides", "rest_huge"])
def test_one_odd_item_of_a_snapshot_ends_no_process_and_every_other_leg_has_a_price(tmp_path: Path, fault: str) -> None:
    # Few packets and none after a subscribe: most legs are silent until they are seeded.
    faults = {"no_snapshot": 1.0, fault: 1.0}
    with running_simulator(rate=5, faults=faults) as simulator:
        ids = [one.instrument_id for one in make_subscriptions(simulator, count=50)]
        with running_worker(tmp_path, name="feed", simulator=simulator) as worker:
            wait_until(
                lambda: count_priced(ids) >= 49, seconds=START_SECONDS, message="a price of every leg but the odd one"
            )

            assert worker.process.poll() is None
            assert count_opened_sockets(simulator) == 5
            assert sum(rest_board.connect().read_odd_items().values()) >= 1
            assert "Traceback" not in worker.log.read_text()


def count_priced(ids: Sequence[int]) -> int:
    rows = quote_board.connect().read_cached(ids).values()
    return sum(bool(int(row["known"]) & Known.TRADE) and float(row["ltp"]) > 0 for _, row in rows)


def test_a_request_that_fails_as_a_whole_is_split_until_the_others_are_seeded(
    simulator: SimulatorAddress, mute_feed: str, tmp_path: Path
) -> None:
    made = make_subscriptions(simulator, count=40)
    with running_broker() as broker:
        broker.answer(200, b"no json")
        with running_worker(
            tmp_path, name="feed", simulator=simulator, DHAN_FEED_URL=mute_feed, DHAN_REST_URL=broker.url
        ) as worker:
            wait_until(lambda: len(broker.requests) >= 3, seconds=START_SECONDS, message="three requests")
            items = {str(one.instrument.security_id): make_item() for one in made}
            broker.answer(200, make_body({"NSE_FNO": items}))
            ids = [one.instrument_id for one in made]
            wait_until(lambda: count_priced(ids) == 40, seconds=START_SECONDS, message="a price of every leg")

            assert worker.process.poll() is None

    sizes = [len(body["NSE_FNO"]) for _, body in broker.requests]
    assert sizes[:3] == [40, 20, 10]
