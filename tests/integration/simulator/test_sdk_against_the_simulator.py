"""The broker's own SDK (dhanhq 2.3.0), unchanged but for its URL, against the simulator.

It connects, subscribes in all three modes and reads the values that were sent. Its output is compared packet by packet
with the bytes that the simulator wrote to that connection. It runs in a thread because it blocks; it leaves its event
loop and HTTP session open, so the tests close them.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from dhanhq import DhanContext, DhanHTTP, DhanLogin, MarketFeed, dhanhq

from marketdata.dhan import packets
from marketdata.dhan.packets import Packet
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey, InstrumentType
from marketdata.domain.quotes import DepthLevel, FullTick, OiTick, PreviousCloseTick, QuoteTick, TickerTick
from simulator.server import RunningSimulator
from tests.integration.simulator.feeds import (
    CREDENTIALS,
    NIFTY,
    RELIANCE,
    SENSEX,
    client_of,
    small_files,
    small_simulator,
)
from tests.waiting import wait_until_async

pytestmark = [
    pytest.mark.asyncio,
    # The SDK drops sockets without closing them; the garbage collector then warns in an unrelated test.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

Printed = dict[str, Any]
Wanted = tuple[InstrumentKey, int]
Result = TypeVar("Result")


class Sent:
    """The packets that the simulator sent, by connection."""

    def __init__(self) -> None:
        self.by_connection: dict[int, list[Packet]] = {}

    def __call__(self, connection: int, data: bytes) -> None:
        found = self.by_connection.setdefault(connection, [])
        found.extend(packets.decode(packet) for packet in packets.split(data))


def printed(packet: Packet) -> Printed:
    """Return the expected output of the SDK for `packet`."""
    match packet:
        case TickerTick(key, ltp, ltt):
            return _named("Ticker Data", key) | {"LTP": _two(ltp), "LTT": _clock(ltt)}
        case PreviousCloseTick(key, close, oi):
            return _named("Previous Close", key) | {"prev_close": _two(close), "prev_OI": oi}
        case OiTick(key, oi):
            return _named("OI Data", key) | {"OI": oi}
        case QuoteTick():
            return _named("Quote Data", packet.key) | _day(packet)
        case FullTick():
            extremes = {"OI": packet.oi, "oi_day_high": packet.oi_day_high, "oi_day_low": packet.oi_day_low}
            depth = {"depth": [_level(level) for level in packet.depth]}
            return _named("Full Data", packet.key) | _day(packet) | extremes | depth
    raise AssertionError(packet)


def _named(kind: str, key: InstrumentKey) -> Printed:
    return {"type": kind, "exchange_segment": int(key.segment), "security_id": key.security_id}


def _day(tick: QuoteTick | FullTick) -> Printed:
    return {
        "LTP": _two(tick.ltp),
        "LTQ": tick.ltq,
        "LTT": _clock(tick.ltt),
        "avg_price": _two(tick.average_price),
        "volume": tick.volume,
        "total_sell_quantity": tick.total_sell_quantity,
        "total_buy_quantity": tick.total_buy_quantity,
        "open": _two(tick.day_open),
        "close": _two(tick.day_close),
        "high": _two(tick.day_high),
        "low": _two(tick.day_low),
    }


def _level(level: DepthLevel) -> Printed:
    counts = {name: getattr(level, name) for name in ("bid_quantity", "ask_quantity", "bid_orders", "ask_orders")}
    return counts | {"bid_price": _two(level.bid_price), "ask_price": _two(level.ask_price)}


def _two(price: float) -> str:
    return f"{price:.2f}"


def _clock(ltt: int) -> str:
    return f"{datetime.fromtimestamp(ltt, UTC):%H:%M:%S}"


def cheapest_option() -> InstrumentKey:
    """Return a NIFTY put so far from the money that it costs one tick."""
    puts = (row for row in small_files().listing if row.underlying == "NIFTY" and row.option_type == "PE")
    return min(puts, key=lambda row: (row.expiry, row.strike)).key


def future_on(symbol: str) -> InstrumentKey:
    """Return the nearest future on `symbol`."""
    futures = (InstrumentType.FUTCOM, InstrumentType.FUTIDX)
    return next(row.key for row in small_files().listing if row.underlying == symbol and row.type in futures)


@pytest.fixture
def pointed_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[RunningSimulator], None]:
    """Yield a function that sets the class attributes with the SDK's URLs to those of a simulator."""

    def point(running: RunningSimulator) -> None:
        monkeypatch.setattr(MarketFeed, "market_feed_wss", running.feed_url)
        monkeypatch.setattr(DhanHTTP, "API_BASE_URL", running.rest_url)
        monkeypatch.setattr(DhanLogin, "API_BASE_URL", running.rest_url)

    return point


@contextmanager
def sdk_context(access_token: str = CREDENTIALS.access_token) -> Iterator[DhanContext]:
    context = DhanContext(CREDENTIALS.client_id, access_token)
    yield context
    context.get_dhan_http().session.close()


@contextmanager
def sdk_feed(wanted: list[Wanted], access_token: str = CREDENTIALS.access_token) -> Iterator[MarketFeed]:
    with sdk_context(access_token) as context:
        instruments = [(int(key.segment), str(key.security_id), mode) for key, mode in wanted]
        feed = MarketFeed(context, instruments, "v2")
        try:
            feed.run_forever()
            yield feed
        finally:
            # The SDK leaves its socket open after a disconnect code, and at an error.
            if feed.ws is not None:
                feed.loop.run_until_complete(feed.ws.close())
            feed.loop.close()
            asyncio.set_event_loop(None)


async def in_thread(call: Callable[[], Result]) -> Result:
    """Run the blocking SDK in a thread of one call."""
    with ThreadPoolExecutor(1) as pool:
        return await asyncio.wrap_future(pool.submit(call))


def read(feed: MarketFeed, count: int) -> list[Printed]:
    return [feed.get_data() for _ in range(count)]


@pytest.mark.parametrize("mode", [MarketFeed.Ticker, MarketFeed.Quote, MarketFeed.Full])
async def test_the_sdk_prints_what_was_sent(mode: int, pointed_at: Callable[[RunningSimulator], None]) -> None:
    """Includes prices at the limits of float32 precision: 5 paise, and more than 131,072 rupees."""
    wanted = [(key, mode) for key in (RELIANCE, future_on("GOLD"), future_on("NIFTY"), cheapest_option())]
    sent = Sent()

    def judge() -> list[Printed]:
        with sdk_feed(wanted) as feed:
            found = read(feed, 20)
            feed.close_connection()
            return found

    async with small_simulator(tap=sent) as running:
        pointed_at(running)
        found = await in_thread(judge)

    assert found == [printed(packet) for packet in sent.by_connection[1][:20]]
    assert {one["security_id"] for one in found} == {key.security_id for key, _ in wanted}
    prices = [float(one["LTP"]) for one in found if "LTP" in one]
    assert min(prices) < 1
    assert max(prices) > 131_072


async def test_the_sdk_reads_indices_with_their_previous_close(pointed_at: Callable[[RunningSimulator], None]) -> None:
    sent = Sent()

    def judge() -> list[Printed]:
        with sdk_feed([(NIFTY, MarketFeed.Ticker), (SENSEX, MarketFeed.Ticker)]) as feed:
            found = read(feed, 10)
            feed.close_connection()
            return found

    async with small_simulator(tap=sent) as running:
        pointed_at(running)
        found = await in_thread(judge)

    assert found == [printed(packet) for packet in sent.by_connection[1][:10]]
    assert {one["prev_close"] for one in found if one["type"] == "Previous Close"} == {"25920.00", "84250.00"}


async def test_the_sdk_unsubscribes_and_disconnects(pointed_at: Callable[[RunningSimulator], None]) -> None:
    def judge() -> list[Printed]:
        with sdk_feed([(NIFTY, MarketFeed.Ticker), (RELIANCE, MarketFeed.Full)]) as feed:
            read(feed, 6)
            feed.unsubscribe_symbols([(int(RELIANCE.segment), str(RELIANCE.security_id), MarketFeed.Full)])
            found = read(feed, 12)
            feed.close_connection()
            return found[-6:]

    async with small_simulator() as running:
        pointed_at(running)
        found = await in_thread(judge)
        await wait_until_async(lambda: running.feed.account.connections == [], message="no session is left")

    assert {one["security_id"] for one in found} == {13}


async def test_the_oldest_of_six_sdk_connections_is_dropped(
    pointed_at: Callable[[RunningSimulator], None], capsys: pytest.CaptureFixture[str]
) -> None:
    async def open_five(running: RunningSimulator) -> None:
        for _ in range(5):
            await stack.enter_async_context(client_of(running))

    def judge(running: RunningSimulator, loop: asyncio.AbstractEventLoop) -> None:
        with sdk_feed([(RELIANCE, MarketFeed.Ticker)]) as feed:
            asyncio.run_coroutine_threadsafe(open_five(running), loop).result(timeout=10)
            while feed.get_data() is not None:
                pass

    async with small_simulator() as running, AsyncExitStack() as stack:
        pointed_at(running)
        loop = asyncio.get_running_loop()
        await in_thread(lambda: judge(running, loop))

    assert "No. of active websocket connections exceeded" in capsys.readouterr().out


async def test_the_sdk_reads_the_disconnect_code_of_a_wrong_token(
    pointed_at: Callable[[RunningSimulator], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def judge() -> object:
        with sdk_feed([], access_token="wrong") as feed:
            return feed.get_data()

    async with small_simulator() as running:
        pointed_at(running)
        assert await in_thread(judge) is None

    assert "Disconnected: Invalid Client ID" in capsys.readouterr().out  # The SDK's text for 808.


@pytest.mark.parametrize("call", ["ticker_data", "ohlc_data", "quote_data"])
async def test_the_sdk_reads_snapshots(call: str, pointed_at: Callable[[RunningSimulator], None]) -> None:
    def judge() -> Printed:
        with sdk_context() as context:
            answer: Printed = getattr(dhanhq(context), call)({"NSE_EQ": [2885, 999_999_999], "IDX_I": [13]})
            return answer

    async with small_simulator() as running:
        pointed_at(running)
        answer = await in_thread(judge)
        market = running.feed.market
        ltp = float(market.bodies["ltp"][market.row_of[RELIANCE]])

    assert (answer["status"], answer["data"]["status"]) == ("success", "success")
    found = answer["data"]["data"]
    assert {segment: list(ids) for segment, ids in found.items()} == {"NSE_EQ": ["2885"], "IDX_I": ["13"]}
    assert found["NSE_EQ"]["2885"]["last_price"] == round(ltp, 2)


async def test_the_sdk_reads_expiries_and_a_chain(pointed_at: Callable[[RunningSimulator], None]) -> None:
    def judge() -> tuple[list[str], Printed]:
        with sdk_context() as context:
            client = dhanhq(context)
            expiries = client.expiry_list(13, "IDX_I")["data"]["data"]
            return expiries, client.option_chain(13, "IDX_I", expiries[0])["data"]["data"]

    async with small_simulator() as running:
        pointed_at(running)
        expiries, chain = await in_thread(judge)

    assert expiries[:2] == ["2026-11-23", "2026-12-01"]
    assert chain["last_price"] == pytest.approx(25_920, rel=0.03)
    assert len(chain["oc"]) == 161
    option = chain["oc"]["25900.000000"]["ce"]
    assert InstrumentKey(ExchangeSegment.NSE_FNO, option["security_id"]) in {row.key for row in small_files().listing}
    assert 0.2 < option["greeks"]["delta"] < 0.8


async def test_the_sdk_reads_daily_candles(pointed_at: Callable[[RunningSimulator], None]) -> None:
    def judge() -> Printed:
        with sdk_context() as context:
            answer: Printed = dhanhq(context).historical_daily_data(
                "2885", "NSE_EQ", "EQUITY", "2026-02-02", "2026-02-07", oi=True
            )
            return answer

    async with small_simulator() as running:
        pointed_at(running)
        answer = await in_thread(judge)

    assert answer["status"] == "success"
    assert {name: len(column) for name, column in answer["data"].items()} == dict.fromkeys(
        ("open", "high", "low", "close", "volume", "timestamp", "open_interest"), 5
    )


async def test_the_sdk_reads_the_profile(pointed_at: Callable[[RunningSimulator], None]) -> None:
    async with small_simulator() as running:
        pointed_at(running)
        profile = await in_thread(lambda: DhanLogin(CREDENTIALS.client_id).user_profile(CREDENTIALS.access_token))

    assert (profile["dhanClientId"], profile["dataPlan"]) == ("1000000001", "Active")


async def test_the_sdk_reads_the_shape_of_an_error(pointed_at: Callable[[RunningSimulator], None]) -> None:
    def judge() -> Printed:
        with sdk_context(access_token="wrong") as context:
            answer: Printed = dhanhq(context).ticker_data({"NSE_EQ": [2885]})
            return answer

    async with small_simulator() as running:
        pointed_at(running)
        answer = await in_thread(judge)

    assert answer["status"] == "failure"
    assert answer["remarks"]["error_code"] == "DH-901"
