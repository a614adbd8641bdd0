"""Wire records for the tests of the checkers: sockets with full packets at a steady rate."""

from collections.abc import Iterable

from benchmarks.chaos.wire import Key, Link, WireRecord
from marketdata.dhan import packets, requests
from marketdata.dhan.packets import IST_OFFSET_SECONDS
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import DepthLevel, FullTick

NOW = 1_795_000_000.0  # a moment of Nov 2026, in whole seconds
RATE = 40  # packets a second: twice the number that is due in three seconds, six times over


def key_of(number: int) -> InstrumentKey:
    return InstrumentKey(ExchangeSegment.NSE_FNO, number)


def wire_key(number: int) -> Key:
    return int(ExchangeSegment.NSE_FNO), number


def make_packet(number: int, ltp: float, *, at: float, lag: float = 0.0, volume: int = 1_000) -> bytes:
    """Return a full packet with best bid and ask 0.5 around the price."""
    level = DepthLevel(10, 20, 1, 2, ltp - 0.5, ltp + 0.5)
    tick = FullTick(
        key=key_of(number),
        ltp=ltp,
        ltq=1,
        ltt=int(at - lag) + IST_OFFSET_SECONDS,
        average_price=ltp,
        volume=volume,
        total_sell_quantity=1,
        total_buy_quantity=1,
        oi=500,
        oi_day_high=500,
        oi_day_low=500,
        day_open=ltp,
        day_close=ltp,
        day_high=ltp,
        day_low=ltp,
        depth=(level,) * 5,
    )
    return packets.encode(tick)


def subscribe(wire: WireRecord, link: Link, numbers: Iterable[int]) -> None:
    for request in requests.batches(requests.RequestCode.SUBSCRIBE_FULL, [key_of(number) for number in numbers]):
        wire.request(link, requests.encode(request).encode(), NOW)


def unsubscribe(wire: WireRecord, link: Link, numbers: Iterable[int]) -> None:
    for request in requests.batches(requests.RequestCode.UNSUBSCRIBE_FULL, [key_of(number) for number in numbers]):
        wire.request(link, requests.encode(request).encode(), NOW)


def stream(
    wire: WireRecord,
    link: Link,
    *,
    since: float,
    until: float,
    rate: float = RATE,
    price: float = 100.0,
    lag: float = 0.0,
) -> None:
    """Send packets of the instruments 1 and 2 in turn from `since` to `until`, at a constant price."""
    for step in range(round((until - since) * rate)):
        at = since + step / rate
        wire.receive(link, make_packet(1 + step % 2, price, at=at, lag=lag), at)


def make_wire(*, until: float = NOW, rate: float = RATE, lag: float = 0.0) -> tuple[WireRecord, Link]:
    """Return a record of one socket that has streamed the instruments 1 and 2 for 30 s."""
    wire = WireRecord()
    link = wire.open_link(NOW - 30)
    subscribe(wire, link, (1, 2))
    stream(wire, link, since=NOW - 30, until=until, rate=rate, lag=lag)
    return wire, link
