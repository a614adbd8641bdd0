"""What passed between the feed worker and the broker: open sockets, subscriptions, and every price with its time. Pure.

A price counts as the broker's rules say (`marketdata.domain.tick_rules`): an older trade time never replaces a newer
one, and an impossible price makes the instrument *impossible* until its next good one. A cut packet is unreadable for
everybody. Times are Unix seconds.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from statistics import median
from typing import Final, NamedTuple

from marketdata.dhan import packets, requests
from marketdata.dhan.packets import FULL, HEADER, IST_OFFSET_SECONDS, LENGTH_OF, QUOTE, TICKER, PacketCode
from marketdata.domain.instruments import InstrumentKey
from marketdata.domain.tick_rules import DAY_SECONDS, FIRST_REAL_LTT, day_in_india

KEPT_SECONDS: Final = 90.0  # chosen: above the longest window that a check looks back
RATE_SECONDS: Final = 10  # chosen: a rate of bursts twenty times a second is steady over ten seconds
LAG_PACKETS: Final = 20  # chosen: a median of fewer trade times says little
_UNSUBSCRIBES: Final = frozenset(requests.UNSUBSCRIBE_CODE.values())

Key = tuple[int, int]
"""Segment and security id, as in the header of a packet."""


class Price(NamedTuple):
    """What one packet says of an instrument, in the broker's numbers; None where its kind of packet has no such field.

    The volume has 32 bits, as on the wire. A bid or an ask of zero or less is none.
    """

    ltp: float
    bid: float | None = None
    ask: float | None = None
    volume: int | None = None
    oi: int | None = None


class Sent(NamedTuple):
    """A moment at which the price of an instrument became another; without a price it is impossible since then."""

    at: float
    price: Price | None


@dataclass(slots=True)
class Stream:
    """The prices of one instrument over all sockets, oldest first."""

    sent: deque[Sent] = field(default_factory=deque)
    ltt: int = 0
    ltp: float = 0.0
    last_packet_at: float = -math.inf

    def take(self, price: Price, ltt: int, at: float) -> None:
        """Apply a packet as the rules of ticks say."""
        self.last_packet_at = at
        today = day_in_india(int(at * 1_000))
        is_untraded = ltt < FIRST_REAL_LTT and self.ltt // DAY_SECONDS < today
        if not math.isfinite(price.ltp) or price.ltp < 0 or ltt >= (today + 2) * DAY_SECONDS:
            self._append(Sent(at, None))
        elif ltt < self.ltt and not is_untraded:
            return
        elif price.ltp == 0 and self.ltp > 0 and not is_untraded:
            self._append(Sent(at, None))
        else:
            self.ltt, self.ltp = ltt, price.ltp
            self._append(Sent(at, price))

    def _append(self, sent: Sent) -> None:
        # The latest entry before the kept period stays: it was the price at its beginning.
        while len(self.sent) > 1 and self.sent[1].at < sent.at - KEPT_SECONDS:
            self.sent.popleft()
        if not self.sent or self.sent[-1].price != sent.price:
            self.sent.append(sent)

    def prices_between(self, since: float, until: float) -> Iterator[Price | None]:
        """Yield the prices that were the newest one at some moment from `since` to `until`, the latest first."""
        for one in reversed(self.sent):
            if one.at <= until:
                yield one.price
            if one.at <= since:
                return


@dataclass(slots=True)
class Link:
    """One socket to the broker."""

    number: int
    opened_at: float
    closed_at: float | None = None
    subscribed: dict[Key, set[int]] = field(default_factory=dict)
    """The instruments, each with the request codes of its modes."""
    last_packet_at: float = -math.inf
    _heard: set[Key] = field(default_factory=set)
    _counts: deque[tuple[int, int]] = field(default_factory=deque)
    _lags: deque[tuple[float, float]] = field(default_factory=deque)

    def apply(self, asked: requests.Request) -> Sequence[Key]:
        """Apply a request; return the instruments that it ended.

        An unsubscribe ends one mode; its code is that of the subscribe plus one.
        """
        ended = []
        for key in map(_key, asked.instruments):
            if asked.code not in _UNSUBSCRIBES:
                self.subscribed.setdefault(key, set()).add(asked.code)
            elif key in self.subscribed:
                self.subscribed[key].discard(asked.code - 1)
                if not self.subscribed[key]:
                    del self.subscribed[key]
                    ended.append(key)
        return ended

    def note(self, key: Key, ltt: int, at: float) -> None:
        """Count a packet with a price. The first of each instrument answers its request and is no part of the rate."""
        self.last_packet_at = at
        if key not in self._heard:
            self._heard.add(key)
            return
        second = int(at)
        if self._counts and self._counts[-1][0] == second:
            self._counts[-1] = (second, self._counts[-1][1] + 1)
        else:
            self._counts.append((second, 1))
        while self._counts[0][0] < at - KEPT_SECONDS:
            self._counts.popleft()
        if ltt >= FIRST_REAL_LTT:
            self._lags.append((at, at + IST_OFFSET_SECONDS - ltt))
            while self._lags[0][0] < at - RATE_SECONDS:
                self._lags.popleft()

    def rate(self, until: float) -> float:
        """Return the packets a second in the ten whole seconds before `until`."""
        if not math.isfinite(until):
            return 0.0
        first, last = int(until) - RATE_SECONDS, int(until)
        return sum(count for second, count in self._counts if first <= second < last) / RATE_SECONDS

    def best_rate(self, until: float) -> float:
        """Return the highest `rate` of the kept period before `until`."""
        counts = dict(self._counts)
        seconds = range(int(until - KEPT_SECONDS), int(until))
        # The first total is 0, so that the total before a second is at its own place.
        totals = list(accumulate((counts.get(second, 0) for second in seconds), initial=0))
        most = max((after - before for before, after in zip(totals, totals[RATE_SECONDS:], strict=False)), default=0)
        return most / RATE_SECONDS

    def trade_lag(self, until: float, *, seconds: float) -> float | None:
        """Return the median of receive time minus trade time over the last `seconds`; None of too few packets."""
        lags = [lag for at, lag in self._lags if until - seconds <= at <= until]
        return median(lags) if len(lags) >= LAG_PACKETS else None


class WireRecord:
    """All sockets and streams."""

    def __init__(self) -> None:
        self.links: dict[int, Link] = {}
        self.streams: dict[Key, Stream] = {}
        self.unsubscribed_at: dict[Key, float] = {}
        """When a socket ended each instrument for the last time."""
        self.packets = 0
        self.opened = 0
        self.most_links = self.most_on_link = self.most_in_total = 0
        """The most at one moment: open sockets, instruments on one of them, and on all."""

    def open_link(self, at: float) -> Link:
        """Record a socket whose handshake the broker accepted."""
        self.opened += 1
        link = self.links[self.opened] = Link(self.opened, at)
        self.most_links = max(self.most_links, len(self.open_links()))
        return link

    def close_link(self, link: Link, at: float) -> None:
        """Record the end of a socket."""
        link.closed_at = at
        self.links = {
            number: one
            for number, one in self.links.items()
            if one.closed_at is None or one.closed_at > at - KEPT_SECONDS
        }

    def open_links(self) -> Sequence[Link]:
        """Return the open sockets."""
        return [link for link in self.links.values() if link.closed_at is None]

    def request(self, link: Link, message: bytes, at: float) -> None:
        """Record a message of the feed worker; one that the broker ignores has no effect."""
        try:
            ended = link.apply(requests.decode(message))
        except requests.RequestError:
            return
        self.unsubscribed_at.update(dict.fromkeys(ended, at))
        counts = [len(one.subscribed) for one in self.open_links()]
        self.most_on_link = max(self.most_on_link, *counts, 0)
        self.most_in_total = max(self.most_in_total, sum(counts))

    def receive(self, link: Link, message: bytes, at: float) -> None:
        """Record a message of the broker."""
        try:
            for packet in packets.split(message):
                self._take(link, packet, at)
        except packets.DecodeError:
            return  # The rest of the message is unreadable for everybody.

    def _take(self, link: Link, packet: bytes, at: float) -> None:
        code, _, segment, security_id = HEADER.unpack_from(packet)
        if code not in _READERS or len(packet) != LENGTH_OF[PacketCode(code)]:
            return
        price, ltt = _READERS[code](packet)
        key = (segment, security_id)
        self.packets += 1
        link.note(key, ltt, at)
        self.streams.setdefault(key, Stream()).take(price, ltt, at)


def _key(key: InstrumentKey) -> Key:
    return int(key.segment), key.security_id


def _read_ticker(packet: bytes) -> tuple[Price, int]:
    fields = TICKER.unpack(packet)
    return Price(fields[4]), fields[5]


def _read_quote(packet: bytes) -> tuple[Price, int]:
    fields = QUOTE.unpack(packet)
    return Price(fields[4], volume=fields[8]), fields[6]


def _read_full(packet: bytes) -> tuple[Price, int]:
    fields = FULL.unpack(packet)
    # After the day's low: bid quantity, ask quantity, bid orders, ask orders, bid price, ask price of the best level.
    bid, ask = fields[22], fields[23]
    return Price(fields[4], _shown(bid), _shown(ask), fields[8], fields[11]), fields[6]


def _shown(price: float) -> float | None:
    return price if math.isfinite(price) and price > 0 else None


_READERS: Final = {
    PacketCode.INDEX: _read_ticker,
    PacketCode.TICKER: _read_ticker,
    PacketCode.QUOTE: _read_quote,
    PacketCode.FULL: _read_full,
}
