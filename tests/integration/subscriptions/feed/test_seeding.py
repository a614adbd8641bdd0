"""Silent instruments: a feed that accepts subscriptions and sends nothing, and the simulator's REST side."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from websockets.sync.server import ServerConnection, serve

from marketdata import quote_board
from marketdata.domain.quote_rows import Known
from tests.integration.subscriptions.feed.feed_workers import START_SECONDS, make_subscriptions, running_worker
from tests.simulators import SimulatorAddress
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
