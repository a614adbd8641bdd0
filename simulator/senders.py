"""Sends rows of the market to a client, in the modes that it has subscribed.

All packets of one kind for one client and turn are encoded at once, each in a separate frame, and written in one call.
For a socket with active packet faults, except stacking alone, they pass one by one through `packet_faults`.
"""

import time
from collections.abc import Callable

from marketdata.dhan.packets import PacketCode
from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.quotes import Mode
from simulator.clients import Client
from simulator.market import Market
from simulator.packet_arrays import PacketWriter, Rows

# Called with the number of a connection and the packets for it, concatenated and without frames.
Tap = Callable[[int, bytes], None]


class Sender:
    """Sends the packets of one market."""

    def __init__(self, market: Market, *, tap: Tap | None = None) -> None:
        self.packets_sent = 0
        self._market = market
        self._tap = tap
        self._framed = PacketWriter(market.contracts.heads, market.bodies, framed=True)
        self._bare = PacketWriter(market.contracts.heads, market.bodies, framed=False)

    def send_snapshot(self, client: Client, mode: Mode, rows: Rows) -> None:
        """Send the answer to a subscribe: previous closes of indices, then the state of every row."""
        if not len(rows):
            return
        self._market.refresh_stale(rows, time.time())
        indices = rows[self._market.contracts.heads["segment"][rows] == ExchangeSegment.IDX_I]
        if len(indices):
            self._write(client, PacketWriter.previous_closes, indices, PacketCode.PREVIOUS_CLOSE)
        if "no_snapshot" not in client.active_faults:
            self.send(client, mode, rows)

    def send(self, client: Client, mode: Mode, rows: Rows) -> None:
        """Send the packets of `rows` in `mode`."""
        if mode is Mode.TICKER:
            self._write(client, PacketWriter.tickers, rows, PacketCode.TICKER)
        elif mode is Mode.FULL:
            self._write(client, PacketWriter.fulls, rows, PacketCode.FULL)
        else:
            # The broker sends open interest in a separate packet, right before the quote packet.
            has_oi = self._market.contracts.is_derivative[rows]
            self._write(client, PacketWriter.quotes, rows[~has_oi], PacketCode.QUOTE)
            self._write(client, PacketWriter.oi_and_quotes, rows[has_oi], PacketCode.OI, PacketCode.QUOTE)

    def _write(
        self, client: Client, write: Callable[[PacketWriter, Rows], bytes], rows: Rows, *codes: PacketCode
    ) -> None:
        if not len(rows) or not client.accepts_data():
            return
        # The tap sees correct packets; faults alter them afterwards.
        if self._tap is not None:
            self._tap(client.number, write(self._bare, rows))
        if client.has_packet_faults:
            client.send_packets(write(self._bare, rows), codes)
        else:
            client.send_data(write(self._framed, rows))
        count = len(rows) * len(codes)
        self.packets_sent += count
        if client.connection is not None:
            client.connection.packets_sent += count
