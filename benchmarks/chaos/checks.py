"""The rules that hold at every moment of a run, whatever is broken: each yields what violates it. Pure.

A screen is what a page would paint, row by row, with the state that the page's own code gives each row; `screen.js`
runs that code. Only rows that are shown as live are judged: the others promise nothing.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.chaos.wire import Key, Link, Price, Stream, WireRecord
from marketdata.dhan.requests import MAX_CONNECTIONS, MAX_INSTRUMENTS_PER_CONNECTION

LIVE: Final = "live"
MOST_IN_TOTAL: Final = MAX_CONNECTIONS * MAX_INSTRUMENTS_PER_CONNECTION
DUE_PACKETS: Final = (
    20  # the watchdog's number (subscriptions/domain/watchdog.py): fewer in three seconds prove nothing
)
STARVED_SHARE: Final = 0.1  # the promise: less than a tenth of the due rate
STARVED_SECONDS: Final = 10.0  # the promise
SILENT_SECONDS: Final = 3.0  # the promise: packets were due and none came
LAG_SECONDS: Final = 3.0  # the promise: a longer trade lag shows as delayed
LTT_SECONDS: Final = 1.0  # the broker's trade times have whole seconds
# Chosen: after a silence a delay is known when liquid instruments have traded twice (marketdata/dhan/trade_lags.py).
LAG_NOTICE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How late a screen may be, in seconds.

    `value` is the longest time for which a row may show a price that is not the newest. `slack` is what the link adds
    to a promise in whole seconds: flush, hub, rate of the browser, paint, and waiting for a CPU.
    """

    value: float
    slack: float


# Chosen: flush 0.1 s, frame 0.25 s, paint 0.05 s and check 0.25 s; the rest is waiting for one of two busy cores.
CALM: Final = Limits(value=1.5, slack=1.0)
# The page trusts what it has for 2 s without frames (RECEIVING_WITHIN_MS); a silence of the broker is known after 3.
DURING_ACTS: Final = Limits(value=SILENT_SECONDS + 1.0, slack=1.0)


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that did not hold; `subject` is the screen, the trader or the connection."""

    at: float
    rule: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row as a page shows it; a price that is null there is None here."""

    state: str
    is_seeded: bool
    price: Price
    since: float = -math.inf
    """When it got its state, in Unix seconds."""
    changed_at: float = -math.inf
    """When it got its price."""
    connection: int = 0
    """The connection that it came from, as the page was told."""


@dataclass(slots=True)
class Screen:
    """The newest rows of a page by instrument, the instruments it must show, and its chip."""

    name: str
    rows: dict[int, ShownRow] = field(default_factory=dict)
    required: frozenset[int] = frozenset()
    tone: str = ""
    label: str = ""
    detail: str = ""
    heard_at: float = -math.inf
    """When the page last reported."""
    ended: str = ""
    """Why the page ended; empty while it runs."""

    @property
    def chip(self) -> str:
        """Label and detail of the chip."""
        return f"{self.label} {self.detail}".strip()

    def live_rows(self) -> Iterator[tuple[int, ShownRow]]:
        """Yield the rows that are shown as live."""
        return ((one, row) for one, row in self.rows.items() if row.state == LIVE)

    def dark_rows(self) -> list[int]:
        """Return the required instruments that are not shown as live."""
        return sorted(self.required - {one for one, _ in self.live_rows()})


def check_limits(wire: WireRecord, *, broker_high_water: int, now: float) -> Iterator[Violation]:
    """Yield which limit of the account was ever exceeded, by the relay's count or by the broker's."""
    most = max(wire.most_links, broker_high_water)
    for rule, count, limit in (
        ("never a sixth socket", most, MAX_CONNECTIONS),
        ("never over 5,000 on a connection", wire.most_on_link, MAX_INSTRUMENTS_PER_CONNECTION),
        ("never over 25,000", wire.most_in_total, MOST_IN_TOTAL),
    ):
        if count > limit:
            yield Violation(now, rule, "account", f"{count:,} of {limit:,}")


def check_screen(
    screen: Screen, wire: WireRecord, keys: Mapping[int, Key], *, now: float, limits: Limits
) -> Iterator[Violation]:
    """Yield the rows of a screen that are shown as live and must not be."""
    statuses = {link.number: assess(link, now=now, slack=limits.slack) for link in wire.links.values()}
    for instrument_id, row in screen.live_rows():
        key = keys.get(instrument_id)
        if key is None:
            yield Violation(now, "a live row is a listed instrument", screen.name, f"instrument {instrument_id}")
            continue
        name = f"instrument {instrument_id} {key} of connection {row.connection}"
        if (problem := judge_value(row, wire, key, now=now, limits=limits)) is not None:
            yield Violation(now, "a live value is the last one sent", screen.name, f"{name}: {problem}")
        links = [statuses[link.number] for link in wire.links.values() if key in link.subscribed]
        if (problem := judge_source(row, links, wire, key, now=now, slack=limits.slack)) is not None:
            yield Violation(now, "a live row has packets", screen.name, f"{name}: {problem}")
        if screen.tone == LIVE and (problem := judge_lag(links)) is not None:
            yield Violation(now, "a delayed feed is shown as delayed", screen.name, f"{name}: {problem}")


def live_age(screen: Screen, wire: WireRecord, keys: Mapping[int, Key], *, now: float) -> float:
    """Return how long the worst live row has had no source or an old price, in seconds; 0 without a live row.

    A row has a source while packets come on a socket that carries it, where packets are due.
    """
    statuses = {link.number: assess(link, now=now, slack=0.0) for link in wire.links.values()}
    worst = 0.0
    for instrument_id, row in screen.live_rows():
        key = keys.get(instrument_id)
        stream = None if key is None else wire.streams.get(key)
        if key is None or stream is None:
            continue
        links = [statuses[link.number] for link in wire.links.values() if key in link.subscribed]
        carrying = [link.silence for link in links if link.is_open]
        silence = min(carrying) if carrying else unsubscribed_seconds(row, links, wire, key, now=now)
        worst = max(worst, silence, _age_of_price(row, stream, now=now))
    return worst


def _age_of_price(row: ShownRow, stream: Stream, *, now: float) -> float:
    """Return the seconds since the price of a row was replaced by the next one; 0 for the newest and an unknown one."""
    replaced_at = now
    for one in reversed(stream.sent):
        if one.price is not None and is_same(row.price, one.price):
            return now - replaced_at
        replaced_at = one.at
    return 0.0


def judge_value(row: ShownRow, wire: WireRecord, key: Key, *, now: float, limits: Limits) -> str | None:
    """Return what is wrong with the price of a live row; None if it was the newest one in the permitted time."""
    stream = wire.streams.get(key)
    if stream is None or not stream.sent:
        # A price of the broker's REST snapshot stands until the first packet.
        return None if row.is_seeded else f"shows {row.price}, nothing was sent"
    # No packet had the price of a REST snapshot. It is replaced by the next packet.
    if row.is_seeded and not any(row.changed_at < one.at <= now - limits.value for one in stream.sent):
        return None
    newest = list(stream.prices_between(now - limits.value, now))
    if any(price is not None and is_same(row.price, price) for price in newest):
        return None
    age = now - stream.sent[-1].at
    return f"shows {row.price}; sent {age:.1f} s ago: {newest[0] if newest else None}"


def is_same(shown: Price, sent: Price) -> bool:
    """Return whether a row shows what a packet says. A field that the packet lacks may show anything."""
    volume = None if shown.volume is None else shown.volume % 2**32  # the packet has the lower 32 bits
    pairs = zip(shown._replace(volume=volume), sent, strict=True)
    return all(said is None or seen == said for seen, said in pairs)


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """What may be expected of one socket now."""

    number: int
    is_open: bool
    silence: float
    """Seconds since its last packet where packets were due, else since its end; else zero."""
    is_starved: bool
    """Whether less than a tenth of the packets that were due came for ten seconds."""
    lag: float | None
    """The trade lag of the last three seconds, if it was no lower before; None where too few packets came."""


def assess(link: Link, *, now: float, slack: float) -> LinkStatus:
    """Return the status of a socket; computed once for all rows."""
    if link.rate(link.last_packet_at) * SILENT_SECONDS >= DUE_PACKETS:
        silence = now - link.last_packet_at
    else:
        silence = 0.0 if link.closed_at is None else now - link.closed_at
    until = now - slack
    due = link.best_rate(until - STARVED_SECONDS)
    is_starved = due * SILENT_SECONDS >= DUE_PACKETS and link.rate(until) < STARVED_SHARE * due
    lags = [link.trade_lag(at, seconds=SILENT_SECONDS) for at in (now, until - LAG_NOTICE_SECONDS)]
    known = [lag for lag in lags if lag is not None]
    lag = min(known) if len(known) == len(lags) else None
    return LinkStatus(link.number, link.closed_at is None, silence, is_starved, lag)


def judge_source(
    row: ShownRow, links: Sequence[LinkStatus], wire: WireRecord, key: Key, *, now: float, slack: float
) -> str | None:
    """Return why no socket can be the source of a live row; None if one can."""
    open_links = [link for link in links if link.is_open]
    if not open_links:
        seconds = unsubscribed_seconds(row, links, wire, key, now=now)
        return f"not subscribed for {seconds:.1f} s" if seconds > SILENT_SECONDS + slack else None
    own_silence = _own_silence(row, wire, key, now=now)
    reasons = []
    for link in open_links:
        if link.silence > SILENT_SECONDS + slack:
            reasons.append(f"socket {link.number} has carried nothing for {link.silence:.1f} s")
        elif link.is_starved and own_silence > STARVED_SECONDS + slack:
            reasons.append(f"socket {link.number} is starved, the row has had no packet for {own_silence:.1f} s")
        else:
            return None
    return "; ".join(reasons)


def unsubscribed_seconds(
    row: ShownRow, links: Iterable[LinkStatus], wire: WireRecord, key: Key, *, now: float
) -> float:
    """Return for how long no socket has carried a live row; `links` have ended with it."""
    ended = [now - wire.unsubscribed_at.get(key, -math.inf), *(link.silence for link in links)]
    return min(_own_silence(row, wire, key, now=now), *ended)


def _own_silence(row: ShownRow, wire: WireRecord, key: Key, *, now: float) -> float:
    """Return the seconds since the last packet of a row, or since it became live by a price of REST."""
    stream = wire.streams.get(key)
    return now - max(row.since, -math.inf if stream is None else stream.last_packet_at)


def judge_lag(links: Iterable[LinkStatus]) -> str | None:
    """Return the trade lag of a row whose sockets are all delayed although the page says live."""
    lags = [link.lag for link in links if link.is_open]
    known = [lag for lag in lags if lag is not None and lag > LAG_SECONDS + LTT_SECONDS]
    return f"trade lag {min(known):.1f} s" if known and len(known) == len(lags) else None
