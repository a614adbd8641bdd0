"""Silent instruments: a feed that accepts subscriptions and sends nothing, and the simulator's REST side."""

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from django.test import override_settings
from websockets.sync.server import ServerConnection, serve

from marketdata import quote_board, rest_board
from marketdata.dhan.credentials import Credentials
from marketdata.dhan.quote_table import QuoteTable
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quote_rows import Known
from marketdata.domain.quotes import Mode
from subscriptions.domain.wanted import WantedInstrument
from subscriptions.feed.plan.plan import Plan
from subscriptions.feed.plan.seeding import Seeder
from tests.broker_answers import make_body, make_item
from tests.brokers import Broker, running_broker
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    count_opened_sockets,
    make_subscriptions,
    running_worker,
)
from tests.simulators import SimulatorAddress, running_simulator
from tests.waiting import wait_until, wait_until_async

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]

LEGS = 30


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


def test_an_odd_item_of_a_snapshot_ends_no_process_and_every_other_leg_has_a_price(tmp_path: Path) -> None:
    # Few packets and none after a subscribe: most legs are silent until they are seeded.
    with (
        running_simulator(rate=5, faults={"no_snapshot": 1.0}) as simulator,
        running_worker(tmp_path, name="feed", simulator=simulator) as worker,
    ):
        for number, fault in enumerate(("rest_null", "rest_null_sides", "rest_huge")):
            add_and_seed(simulator, fault, skip=LEGS * number)

        assert worker.process.poll() is None
        assert count_opened_sockets(simulator) == 5
        assert "Traceback" not in worker.log.read_text()


def add_and_seed(simulator: SimulatorAddress, fault: str, *, skip: int) -> None:
    """Subscribe LEGS instruments while the first item of each snapshot is odd, until all but one have a price."""
    simulator.set_fault(fault)
    odd = count_odd_items()
    ids = [one.instrument_id for one in make_subscriptions(simulator, count=LEGS, skip=skip)]
    quote_board.connect().nudge()
    wait_until(
        lambda: count_priced(ids) >= LEGS - 1 and count_odd_items() > odd,
        seconds=START_SECONDS,
        message=f"a price of every leg but the odd one, with {fault}",
    )
    simulator.clear_fault(fault)


def count_odd_items() -> int:
    return sum(rest_board.connect().read_odd_items().values())


def count_priced(ids: Sequence[int]) -> int:
    rows = quote_board.connect().read_cached(ids).values()
    return sum(bool(int(row["known"]) & Known.TRADE) and float(row["ltp"]) > 0 for _, row in rows)


class SilentConnection:
    """A connection to which everything was sent and nothing came, with a real plan and quote table."""

    def __init__(self, instruments: Sequence[WantedInstrument]) -> None:
        self.plan, self.table = Plan(), QuoteTable()
        self.plan.replace(instruments)
        self.table.add({one.key: one.instrument_id for one in instruments})
        for request in self.plan.list_commands():
            self.plan.note_sent(request)

    def list_silent(self) -> Mapping[InstrumentKey, int]:
        return self.plan.list_sent(self.table.ids_to_seed())


def test_what_an_answer_lacks_is_requested_again_and_what_it_has_is_not() -> None:
    nifty, share, rare = (
        WantedInstrument(1, InstrumentKey(ExchangeSegment.IDX_I, 13), Mode.TICKER),
        WantedInstrument(2, InstrumentKey(ExchangeSegment.NSE_EQ, 2885), Mode.FULL),
        WantedInstrument(3, InstrumentKey(ExchangeSegment.NSE_EQ, 99), Mode.FULL),
    )
    connection = SilentConnection([rare, share, nifty])
    # One item is null, and one is missing.
    first = make_body({"IDX_I": {"13": None}, "NSE_EQ": {"2885": make_item()}})
    later = make_body({"IDX_I": {"13": make_item(25_445.4)}, "NSE_EQ": {}})
    with running_broker() as broker:
        broker.answer(200, first)
        asyncio.run(seed_until(connection, broker, later, failures=1, seeded={1}))
        bodies = [body for _, body in broker.requests]

    assert bodies[0] == {"IDX_I": [13], "NSE_EQ": [99, 2885]}
    assert bodies[1] == {"IDX_I": [13], "NSE_EQ": [99]}
    assert {int(row["instrument_id"]) for row in connection.table.all_rows()} == {1, 2}


def test_a_request_that_fails_as_a_whole_is_split_until_all_are_seeded() -> None:
    ids = range(1, 41)
    connection = SilentConnection(
        [WantedInstrument(one, InstrumentKey(ExchangeSegment.NSE_FNO, one), Mode.FULL) for one in ids]
    )
    later = make_body({"NSE_FNO": {str(one): make_item() for one in ids}})
    with running_broker() as broker:
        broker.answer(200, b"no json")
        asyncio.run(seed_until(connection, broker, later, failures=1, seeded=set(ids)))
        sizes = [len(body["NSE_FNO"]) for _, body in broker.requests]

    assert sizes[:2] == [40, 20]


async def seed_until(
    connection: SilentConnection, broker: Broker, later: object, *, failures: int, seeded: set[int]
) -> None:
    """Seed until all of `seeded` have a price; after `failures` requests the broker gives the answer `later`."""

    async def credentials() -> Credentials:
        return Credentials("1000000001", "token")

    with override_settings(DHAN_REST_URL=broker.url):
        seeder = Seeder(lambda: [connection], credentials, first_wait_seconds=0.1)
        task = asyncio.create_task(seeder.run())
        await wait_until_async(
            lambda: len(broker.requests) >= failures, seconds=START_SECONDS, message=f"{failures} requests"
        )
        broker.answer(200, later)
        await wait_until_async(
            lambda: {int(row["instrument_id"]) for row in connection.table.all_rows()} >= seeded,
            seconds=START_SECONDS,
            message="a price of each",
        )
        assert not task.done()
        task.cancel()
