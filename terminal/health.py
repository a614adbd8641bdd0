"""`/health`: the state of each part, for supervisors, load balancers and people. It contains no secrets.

The answer is 503 if a part is *failing*: prices are missing or do not move now. Else it is 200, also for a *degraded*
part: it works, but is late, old, or soon needs an operator. Tier B fails while it loads, so 200 means ready. All
servers are read under one deadline (`terminal.probes`); the checks of the readings are pure functions.
"""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_celery_beat.models import PeriodicTask

from marketdata import quote_board
from marketdata import selectors as market
from marketdata.domain.feed import ConnectionState
from marketdata.selectors import AccessTokenStatus, LastImport
from subscriptions import selectors as subscriptions
from subscriptions.domain.connections import ConnectionStatus
from subscriptions.selectors import AccountCooldown, RuleState, TierBHeld
from subscriptions.selectors import Status as FeedStatus
from terminal.admission import Sockets, sockets
from terminal.probes import DatabaseProbe, Probe, ask_all
from terminal.renderers import encode_json
from terminal.storage import refusals

# Chosen: short, because load balancers and supervisors wait for the answer.
DEADLINE_SECONDS: Final = 1.5
PRELOAD_TASK: Final = "subscriptions.tasks.preload_tier_b"
DEFAULT_QUEUE: Final = "default"
# Chosen: preload runs every ten seconds; six missed runs in a row are more than a delay.
RUN_MAX_AGE: Final = timedelta(seconds=60)
# Chosen: imports are daily; one may fail.
IMPORT_MAX_AGE: Final = timedelta(hours=36)
# Chosen: the instruments of new claims are unsent for a moment, so a few of them are normal.
MIN_SENT_RATIO: Final = 0.9
NAMED: Final = 10  # Chosen: a reason that names more is not read.
# States with an open socket; the number of sent instruments is checked separately.
_OPEN: Final = frozenset({ConnectionState.SUBSCRIBING, ConnectionState.LIVE})


class Status(StrEnum):
    """State of a part, worst last."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Part:
    """State of one part, and the reason if it is not ok."""

    status: Status
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the part as JSON members."""
        return {"status": self.status, **({"reason": self.reason} if self.reason else {}), **self.details}


@dataclass(frozen=True, slots=True)
class DatabaseReadings:
    """Readings from PostgreSQL."""

    last_import: LastImport | None
    preload: Sequence[RuleState]
    token: AccessTokenStatus
    sessions_lack: str | None  # a sentence, where the calendar does not reach far enough
    cooldown: AccountCooldown | None
    tier_b: TierBHeld | None = None
    vanished: Sequence[str] = ()  # held items that left the list before their end date
    ahead: int = 0  # periodic tasks whose last run lies in the future


@dataclass(frozen=True, slots=True)
class RedisReadings:
    """Readings from Redis: last run and queue of the periodic tasks."""

    last_run: datetime | None
    queued: int


@never_cache
@require_safe
def health(_request: HttpRequest) -> HttpResponse:
    """Answer 200 or 503 with the state of each part."""
    parts = check_parts(
        ask_all(
            {
                "database": DatabaseProbe(read_database),
                "redis": Probe(read_redis, quote_board.BoardError),
                # Reads PostgreSQL and Redis, so it fails with either of them.
                "feed": DatabaseProbe(subscriptions.subscription_status),
                "disk": Probe(read_free_mb, OSError),
            },
            seconds=DEADLINE_SECONDS,
        ),
        now=timezone.now(),
    )
    parts["web"] = check_web(sockets)
    parts["database"] = check_storage(parts["database"], is_refused=refusals.is_recent())
    status = worst(parts)
    body = {"status": status, "parts": {name: part.body() for name, part in parts.items()}}
    return HttpResponse(
        encode_json(body), status=503 if status is Status.FAILING else 200, content_type="application/json"
    )


def read_database() -> DatabaseReadings:
    """Read PostgreSQL. Raises django.db.Error."""
    now = timezone.now()
    return DatabaseReadings(
        last_import=market.find_last_import(),
        preload=subscriptions.list_rule_states(),
        token=market.get_access_token_status(now=now),
        sessions_lack=market.next_trading_day_missing(today=market.market_today()),
        cooldown=subscriptions.find_cooldown(now=now),
        tier_b=subscriptions.get_tier_b_held(now=now),
        vanished=subscriptions.list_vanished(now=now),
        ahead=PeriodicTask.objects.filter(enabled=True, last_run_at__gt=now + RUN_MAX_AGE).count(),
    )


def read_redis() -> RedisReadings:
    """Read Redis. Raises BoardError."""
    board = quote_board.connect()
    return RedisReadings(board.last_run(PRELOAD_TASK), board.count_queued(DEFAULT_QUEUE))


def read_free_mb() -> int:
    """Return the free space of the fullest disk of DISK_PATHS, in megabytes. Raises OSError."""
    return min(shutil.disk_usage(path).free for path in settings.DISK_PATHS) // 1_000_000


def check_parts(answers: Mapping[str, object], *, now: datetime) -> dict[str, Part]:
    """Return the state of each part, from the readings, or from the NoAnswer of a server."""
    database, redis, feed = answers["database"], answers["redis"], answers["feed"]
    unknown = Part(Status.FAILING, "unknown while the database does not answer")
    unknown_degraded = replace(unknown, status=Status.DEGRADED)
    return {
        "web": Part(Status.OK),
        "database": Part(Status.OK) if isinstance(database, DatabaseReadings) else Part(Status.FAILING, str(database)),
        "redis": Part(Status.OK) if isinstance(redis, RedisReadings) else Part(Status.FAILING, str(redis)),
        "instruments": check_instruments(database.last_import, vanished=database.vanished, now=now)
        if isinstance(database, DatabaseReadings)
        else unknown,
        "tier_b": check_tier_b(database.preload, database.tier_b)
        if isinstance(database, DatabaseReadings)
        else unknown,
        "token": check_token(database.token, now=now) if isinstance(database, DatabaseReadings) else unknown_degraded,
        "sessions": check_sessions(database.sessions_lack)
        if isinstance(database, DatabaseReadings)
        else unknown_degraded,
        "gate": check_gate(database.cooldown) if isinstance(database, DatabaseReadings) else unknown_degraded,
        "feed": check_feed(feed) if isinstance(feed, FeedStatus) else Part(Status.FAILING, str(feed)),
        **check_periodic_work(
            redis if isinstance(redis, RedisReadings) else None,
            ahead=database.ahead if isinstance(database, DatabaseReadings) else 0,
            now=now,
        ),
        "disk": check_disk(answers["disk"], min_mb=settings.DISK_FREE_MB),
    }


def worst(parts: Mapping[str, Part]) -> Status:
    """Return the worst status among `parts`."""
    return max((part.status for part in parts.values()), key=list(Status).index)


def check_instruments(last: LastImport | None, *, now: datetime, vanished: Sequence[str] = ()) -> Part:
    """Check the instrument list: present, imported today or yesterday, and with every item that was held."""
    if last is None:
        return Part(Status.FAILING, "no instruments were imported yet")
    details = {"listed": last.listed, "as_of": last.as_of, "last_import_at": last.finished_at}
    if last.notes:
        details["notes"] = list(last.notes)
    if last.listed == 0:
        return Part(Status.FAILING, "no instruments are listed", details)
    if last.is_newest_refused:
        difference = f": {last.difference}" if last.difference else "."
        reason = f"the newest import was refused, the list of the import before it remains{difference}"
        return Part(Status.DEGRADED, reason, details)
    if now - last.finished_at > IMPORT_MAX_AGE:
        return Part(Status.DEGRADED, "the last import is more than 36 hours old", details)
    if vanished:
        names = ", ".join(vanished[:NAMED]) + (f" and {len(vanished) - NAMED} more" if len(vanished) > NAMED else "")
        reason = f"held items left the list before their end date, in the last day: {names}"
        return Part(Status.DEGRADED, reason, details)
    return Part(Status.OK, details=details)


def check_tier_b(rules: Sequence[RuleState], held: TierBHeld | None) -> Part:
    """Check that tier B is loaded, and holds no less than an hour ago; the reason names what is missing."""
    details = {"wanted": sum(rule.wanted for rule in rules), "held": sum(rule.held for rule in rules)}
    waiting = [
        f"{rule.rule}: {len(rule.waiting)} of {rule.wanted}{'' if rule.has_room else ' (no room)'}"
        for rule in rules
        if rule.waiting
    ]
    if not waiting and held is not None and held.now < held.hour_ago:
        fell = f"tier B fell from {held.hour_ago:,} to {held.now:,} instruments within an hour"
        return Part(Status.DEGRADED, f"{fell}; see the subscription log", details)
    if not waiting:
        return Part(Status.OK, details=details)
    return Part(Status.FAILING, "loading, or waiting for a price: " + "; ".join(waiting), details)


def check_token(life: AccessTokenStatus, *, now: datetime) -> Part:
    """Check the access token. Details are shown to staff in the admin only.

    Degraded at most: an invalid token makes the feed fail, and one that expires soon still works.
    """
    details = {"expires_at": life.expires_at}
    if not life.source:
        return Part(Status.DEGRADED, "there is no access token", details)
    if life.expires_at is not None and life.expires_at <= now:
        return Part(Status.DEGRADED, "the access token has expired", details)
    if life.problem:
        return Part(Status.DEGRADED, "the access token was refused or cannot be renewed; see the admin", details)
    return Part(Status.OK, details=details)


def check_sessions(lack: str | None) -> Part:
    """Check that the calendar has the next trading day. Degraded at most: live ticks override the calendar."""
    return Part(Status.OK) if lack is None else Part(Status.DEGRADED, lack)


def check_gate(cooldown: AccountCooldown | None) -> Part:
    """Check the account's cooldown. Degraded at most: closed connections make the feed fail."""
    if cooldown is None:
        return Part(Status.OK)
    details = {"quiet_until": cooldown.until, "closes_all": cooldown.closes_all}
    return Part(Status.DEGRADED, f"cooldown, no socket is opened: {cooldown.reason}", details)


def check_feed(status: FeedStatus) -> Part:
    """Check the connections: each one with subscriptions must be live, with its instruments sent to the broker."""
    details = {
        "streaming": _total(one.streaming for one in status.connections),
        "drift": status.drift,
        "connections": [
            {
                "ws_id": one.number,
                "state": one.state,
                **({"reason": one.last_error} if one.last_error else {}),
                "load": one.load,
                "sent": one.sent,
                "streaming": one.streaming,
            }
            for one in status.connections
        ],
    }
    loaded = [one for one in status.connections if one.load]
    down = [_describe_down(one) for one in loaded if one.sent is None or one.state not in _OPEN]
    if down:
        return Part(Status.FAILING, f"not live: connection {', '.join(down)}", details)
    load, sent = sum(one.load for one in loaded), sum(one.sent or 0 for one in loaded)
    if sent < load * MIN_SENT_RATIO:
        return Part(Status.FAILING, f"{sent} of {load} instruments were requested from the broker so far", details)
    if sent < load:
        return Part(Status.DEGRADED, f"{sent} of {load} instruments were requested from the broker so far", details)
    return Part(Status.OK, details=details)


def check_periodic_work(redis: RedisReadings | None, *, ahead: int = 0, now: datetime) -> dict[str, Part]:
    """Check beat and the work worker. A recent run proves both; without one, a filled queue means that beat works.

    A run in the future proves nothing; `ahead` tasks have one.
    """
    if redis is None:
        unknown = Part(Status.FAILING, "unknown while Redis does not answer")
        return {"beat": unknown, "work": unknown}
    details = {"last_run_at": redis.last_run}
    # Some seconds in the future are a difference between the clocks of two hosts.
    if redis.last_run is not None and abs(now - redis.last_run) <= RUN_MAX_AGE:
        beat = Part(Status.OK, details=details)
        if ahead:
            reason = f"{ahead} periodic tasks have last runs in the future, of a clock that was ahead; they run now"
            beat = Part(Status.DEGRADED, reason, details)
        return {"beat": beat, "work": Part(Status.OK, details={"queued": redis.queued})}
    since = f"since {redis.last_run:%Y-%m-%d %H:%M:%S} UTC" if redis.last_run else "yet"
    if ahead or (redis.last_run is not None and redis.last_run > now):
        since += f"; last runs in the future: {max(ahead, 1)}, of a clock that was ahead"
    if redis.queued:
        late = Part(Status.FAILING, f"no periodic task finished {since}; {redis.queued} wait", {"queued": redis.queued})
        return {"beat": Part(Status.OK, details=details), "work": late}
    late = Part(Status.FAILING, f"no periodic task started {since}", details)
    return {"beat": late, "work": Part(Status.DEGRADED, "no task was queued for it", {"queued": 0})}


def check_disk(free_mb: object, *, min_mb: int) -> Part:
    """Check the disk space for logs and data. Degraded at most: a full disk makes other parts fail."""
    if not isinstance(free_mb, int):
        return Part(Status.DEGRADED, f"the free space is unknown: {free_mb}")
    details = {"free_mb": free_mb}
    if free_mb < min_mb:
        return Part(Status.DEGRADED, f"less than {min_mb} MB are free", details)
    return Part(Status.OK, details=details)


def check_web(taken: Sockets) -> Part:
    """Check this web process: whether it accepts more browser sockets."""
    details = {"sockets": taken.open, "most_sockets": taken.most}
    if taken.is_full:
        return Part(Status.DEGRADED, "the maximum of browser sockets is open; further ones are refused", details)
    return Part(Status.OK, details=details)


def check_storage(database: Part, *, is_refused: bool) -> Part:
    """Return `database`, or failing if it answers but refused a write lately."""
    if database.status is Status.OK and is_refused:
        return Part(Status.FAILING, "it refused a write in the last minute; its disk may be full")
    return database


def _describe_down(one: ConnectionStatus) -> str:
    return f"{one.number} ({one.state}{': ' if one.last_error else ''}{one.last_error})"


def _total(counts: Iterable[int | None]) -> int | None:
    """Return the sum, unknown where one of them is."""
    known = list(counts)
    return None if None in known else sum(one or 0 for one in known)
