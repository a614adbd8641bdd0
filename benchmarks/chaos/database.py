"""Reads the database of the run, and prepares it: the market is open, few instruments are preloaded, traders exist."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection

from benchmarks.chaos.checks import MOST_IN_TOTAL
from benchmarks.chaos.ledger import LogRow, Stored, Target
from benchmarks.chaos.wire import Key
from marketdata.dhan.requests import MAX_INSTRUMENTS_PER_CONNECTION
from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import IST

CONNECT_SECONDS: Final = 5  # chosen: the server is on this machine
KEPT_RULES: Final = 1  # the rule of NIFTY, whose chain every page shows


@dataclass(frozen=True, slots=True)
class Database:
    """The database at `url`; each statement has a connection of its own, because its server is killed and frozen."""

    url: str

    async def fetch(self, statement: str, *values: object) -> Sequence[Sequence[Any]]:
        """Return the rows of a statement; none of a statement without a result."""
        connection = await AsyncConnection.connect(self.url, autocommit=True, connect_timeout=CONNECT_SECONDS)
        async with connection, connection.cursor() as cursor:
            await cursor.execute(statement, values)
            return await cursor.fetchall() if cursor.description else ()

    async def is_migrated(self) -> bool:
        """Return whether the last of the tables exists with its seeded rows."""
        (name,) = (await self.fetch("SELECT to_regclass('preload_rules')"))[0]
        return bool(name) and bool(await self.fetch("SELECT 1 FROM preload_rules LIMIT 1"))

    async def replace_sessions(self, *, now: datetime, is_open: bool) -> None:
        """Replace the sessions of today and tomorrow by one from midnight to midnight in every segment, or by none."""
        today = now.astimezone(IST).date()
        days = [today, today + timedelta(days=1)]
        await self.fetch("DELETE FROM market_sessions WHERE day = ANY(%s)", days)
        if not is_open:
            return
        await self.fetch(
            "INSERT INTO market_sessions (exchange_segment, day, kind, opens, closes, source, note)"
            " SELECT segment, day, 'special', '00:00', '23:59:59.999999', 'soak', ''"
            " FROM unnest(%s::smallint[]) AS segment, unnest(%s::date[]) AS day",
            [int(one) for one in ExchangeSegment],
            days,
        )

    async def limit_preload(self, most: int) -> None:
        """Deactivate the last preload rules, so that the others hold about `most` instruments or fewer."""
        await self.fetch(
            "UPDATE preload_rules SET is_active = false WHERE id IN ("
            " SELECT id FROM (SELECT id, position, sum((weekly + monthly + quarterly) * strikes * 2 + futures)"
            " OVER (ORDER BY position, id) AS held, row_number() OVER (ORDER BY position, id) AS rank"
            " FROM preload_rules WHERE is_active) AS rules WHERE held > %s AND rank > %s)",
            most,
            KEPT_RULES,
        )

    async def make_traders(self, names: Sequence[str]) -> None:
        """Create traders with the password of the demo users."""
        await self.fetch(
            "INSERT INTO accounts_user (password, is_superuser, username, first_name, last_name, email, is_staff,"
            " is_active, date_joined) SELECT password, false, name, '', '', '', false, true, now()"
            " FROM accounts_user, unnest(%s::text[]) AS name WHERE username = 'trader1' ON CONFLICT DO NOTHING",
            list(names),
        )

    async def list_targets(self) -> Sequence[Target]:
        """Return the shares and the stock option chains that a trader can add, in a stable order."""
        shares = await self.fetch(
            "SELECT DISTINCT underlying_symbol FROM instruments WHERE is_listed AND instrument_type = 'EQUITY'"
            " AND exchange = 'NSE' ORDER BY 1"
        )
        chains = await self.fetch(
            "SELECT DISTINCT underlying_symbol, expiry FROM instruments WHERE is_listed AND instrument_type = 'OPTSTK'"
            " AND exchange = 'NSE' AND expiry > current_date + 1 ORDER BY 1, 2"
        )
        return [
            *(Target(symbol, "EQUITY") for (symbol,) in shares),
            *(Target(symbol, "STOCK_OPTION", expiry.isoformat()) for symbol, expiry in chains),
        ]

    async def count_subscriptions(self) -> int:
        """Return the number of subscriptions."""
        return int((await self.fetch("SELECT count(*) FROM subscriptions"))[0][0])

    async def list_streaming_indices(self) -> Sequence[int]:
        """Return the indices that stream: the spots of held chains."""
        rows = await self.fetch(
            "SELECT instrument_id FROM subscriptions JOIN instruments ON instruments.id = instrument_id"
            " WHERE exchange_segment = %s ORDER BY 1",
            int(ExchangeSegment.IDX_I),
        )
        return [one for (one,) in rows]

    async def map_keys(self) -> Mapping[int, Key]:
        """Return the broker's key of each listed instrument."""
        rows = await self.fetch("SELECT id, exchange_segment, security_id FROM instruments WHERE is_listed")
        return {instrument: (segment, security_id) for instrument, segment, security_id in rows}

    async def list_wanted(self) -> frozenset[Key]:
        """Return the keys of all subscriptions."""
        rows = await self.fetch(
            "SELECT exchange_segment, security_id FROM subscriptions JOIN instruments ON instruments.id = instrument_id"
        )
        return frozenset((segment, security_id) for segment, security_id in rows)

    async def find_overloads(self) -> Sequence[str]:
        """Return a sentence for each connection over its limit, and one for the total."""
        rows = await self.fetch(
            "SELECT number, load, (SELECT count(*) FROM subscriptions"
            " WHERE number IN (connection_id, leaving_connection_id)) FROM feed_connections"
        )
        over = [
            f"connection {number} has {count:,}, its load is {load:,}"
            for number, load, count in rows
            if max(load, count) > MAX_INSTRUMENTS_PER_CONNECTION
        ]
        total = await self.count_subscriptions()
        return [*over, f"{total:,} subscriptions"] if total > MOST_IN_TOTAL else over

    async def read_stored(self, traders: Sequence[str], *, since: datetime) -> Stored:
        """Return the entries of the traders, and their rows of the audit log."""
        entries = await self.fetch(
            "SELECT username, underlying_symbol, kind, expiry, count(claim_legs.id) FROM watchlist"
            " JOIN accounts_user ON accounts_user.id = watchlist.user_id"
            " LEFT JOIN claim_legs ON claim_legs.claim_id = watchlist.claim_id WHERE username = ANY(%s)"
            " GROUP BY watchlist.id, username",
            list(traders),
        )
        log = await self.fetch(
            "SELECT at, action, actor, subject, cardinality(legs) FROM subscription_log"
            " WHERE at >= %s AND actor = ANY(%s)",
            since,
            list(traders),
        )
        return Stored(
            {
                (name, Target(symbol, kind, expiry.isoformat() if expiry else None)): legs
                for name, symbol, kind, expiry, legs in entries
            },
            [LogRow(at.timestamp(), action, actor, subject, legs) for at, action, actor, subject, legs in log],
        )
