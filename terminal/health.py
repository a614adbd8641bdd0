"""`/health`: the state of each part, for people and monitoring. It contains no secrets.

The answer is 503 if a part is *failing*: prices that traders have asked for are missing, or do not move. Else it is
200, also for a *degraded* part: it works, but is late, old, or needs an operator. So a database that does not answer is
degraded: prices do not pass through it. All servers are read under one deadline (`terminal.probes`); the checks of the
readings are pure functions. Load balancers read `terminal.readiness` instead.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_celery_beat.models import PeriodicTask

from marketdata import derived_board, quote_board
from marketdata import selectors as market
from marketdata.selectors import AccessTokenStatus, LastImport
from subscriptions import selectors as subscriptions
from subscriptions.selectors import AccountCooldown, RuleState, TierBHeld
from terminal.admission import Sockets, sockets
from terminal.feed_health import Placement, Report, check_feed, known_loads, read_placement, read_reports
from terminal.health_parts import Part, Status
from terminal.probes import DatabaseProbe, NoAnswer, Probe, ask_all
from terminal.renderers import encode_json
from terminal.storage import refusals
from terminal.web_processes import WebProcess, others_probes, this_process

# Chosen: short, because load balancers and supervisors wait for the answer.
DEADLINE_SECONDS: Final = 1.5
PRELOAD_TASK: Final = "subscriptions.tasks.preload_tier_b"
DEFAULT_QUEUE: Final = "default"
# Chosen: preload runs every ten seconds; six missed runs in a row are more than a delay.
RUN_MAX_AGE: Final = timedelta(seconds=60)
ANALYTICS_MAX_AGE: Final = timedelta(seconds=derived_board.STALE_SECONDS)
# Chosen: imports are daily; one may fail.
IMPORT_MAX_AGE: Final = timedelta(hours=36)
NAMED: Final = 10  # Chosen: a reason that names more is not read.


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
    """Readings from Redis: last run and queue of the periodic tasks, and the reports of the owners."""

    last_run: datetime | None
    queued: int
    reports: Sequence[Report] = ()
    last_analytics: datetime | None = None  # of the analytics worker


@never_cache
@require_safe
def health(_request: HttpRequest) -> HttpResponse:
    """Answer 200 or 503 with the state of each part."""
    answers = ask_all(
        {
            "database": DatabaseProbe(read_database),
            "redis": Probe(read_redis, quote_board.BoardError),
            # Beside the other queries: it answers in time where a slow server delays them.
            "placement": DatabaseProbe(read_placement),
            "disk": Probe(read_free_mb, OSError),
            **{f"web {number}": probe for number, probe in others_probes().items()},
        },
        seconds=DEADLINE_SECONDS,
    )
    if isinstance(answers["placement"], Placement):
        known_loads.note(answers["placement"])
    parts = check_parts(answers, known=known_loads.by_number, now=timezone.now())
    silent = [one for one in this_process.list_others() if isinstance(answers[f"web {one}"], NoAnswer)]
    parts["web"] = check_web(sockets, this_process, silent=silent)
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
    return RedisReadings(
        board.last_run(PRELOAD_TASK),
        board.count_queued(DEFAULT_QUEUE),
        read_reports(board),
        derived_board.connect().last_flush(),
    )


def read_free_mb() -> int:
    """Return the free space of the fullest disk of DISK_PATHS, in megabytes. Raises OSError."""
    return min(shutil.disk_usage(path).free for path in settings.DISK_PATHS) // 1_000_000


def check_parts(
    answers: Mapping[str, object], *, known: Mapping[int, int] | None = None, now: datetime
) -> dict[str, Part]:
    """Return the state of each part, from the readings, or from the NoAnswer of a server.

    `known` holds the loads that were read last, by connection number.
    """
    redis = answers["redis"]
    readings = redis if isinstance(redis, RedisReadings) else None
    database = answers["database"]
    ahead = database.ahead if isinstance(database, DatabaseReadings) else 0
    return {
        "web": Part(Status.OK),
        "database": check_database(database),
        "redis": Part(Status.OK) if readings else Part(Status.FAILING, f"{redis}: no price reaches a browser"),
        **check_database_readings(database if isinstance(database, DatabaseReadings) else None, now=now),
        "feed": _check_feed(answers["placement"], readings, known or {}),
        **check_periodic_work(readings, ahead=ahead, now=now),
        "analytics": check_analytics(readings, now=now),
        "disk": check_disk(answers["disk"], min_mb=settings.DISK_FREE_MB),
    }


def check_database(answer: object) -> Part:
    """Check that PostgreSQL answers. Degraded at most: prices do not pass through it."""
    if isinstance(answer, DatabaseReadings):
        return Part(Status.OK)
    return Part(Status.DEGRADED, f"{answer}: prices continue, but nothing can be added or removed")


def check_database_readings(readings: DatabaseReadings | None, *, now: datetime) -> dict[str, Part]:
    """Check what only PostgreSQL knows; unknown and degraded without an answer."""
    if readings is None:
        unknown = Part(Status.DEGRADED, "unknown while the database does not answer")
        return dict.fromkeys(("instruments", "tier_b", "token", "sessions", "gate"), unknown)
    return {
        "instruments": check_instruments(readings.last_import, vanished=readings.vanished, now=now),
        "tier_b": check_tier_b(readings.preload, readings.tier_b),
        "token": check_token(readings.token, now=now),
        "sessions": check_sessions(readings.sessions_lack),
        "gate": check_gate(readings.cooldown),
    }


def _check_feed(placement: object, redis: RedisReadings | None, known: Mapping[int, int]) -> Part:
    if redis is None:
        return Part(Status.FAILING, "unknown while Redis does not answer")
    return check_feed(placement if isinstance(placement, Placement) else None, redis.reports, known)


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


def check_periodic_work(redis: RedisReadings | None, *, ahead: int = 0, now: datetime) -> dict[str, Part]:
    """Check beat and the work worker. A recent run proves both; without one, a filled queue means that beat works.

    A run in the future proves nothing; `ahead` tasks have one. Degraded at most: prices continue without both.
    """
    if redis is None:
        unknown = Part(Status.DEGRADED, "unknown while Redis does not answer")
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
        late = Part(
            Status.DEGRADED, f"no periodic task finished {since}; {redis.queued} wait", {"queued": redis.queued}
        )
        return {"beat": Part(Status.OK, details=details), "work": late}
    late = Part(Status.DEGRADED, f"no periodic task started {since}", details)
    return {"beat": late, "work": Part(Status.DEGRADED, "no task was queued for it", {"queued": 0})}


def check_analytics(redis: RedisReadings | None, *, now: datetime) -> Part:
    """Check that analytics are computed. Degraded at most: prices do not wait for them."""
    if redis is None:
        return Part(Status.DEGRADED, "unknown while Redis does not answer")
    if redis.last_analytics is None:
        return Part(Status.DEGRADED, "no volatilities and Greeks were computed in the last minute; prices continue")
    details = {"last_analytics_at": redis.last_analytics}
    if now - redis.last_analytics > ANALYTICS_MAX_AGE:
        return Part(Status.DEGRADED, "volatilities and Greeks stand still; prices continue", details)
    return Part(Status.OK, details=details)


def check_disk(free_mb: object, *, min_mb: int) -> Part:
    """Check the disk space for logs and data. Degraded at most: a full disk makes other parts fail."""
    if not isinstance(free_mb, int):
        return Part(Status.DEGRADED, f"the free space is unknown: {free_mb}")
    details = {"free_mb": free_mb}
    if free_mb < min_mb:
        return Part(Status.DEGRADED, f"less than {min_mb} MB are free", details)
    return Part(Status.OK, details=details)


def check_web(taken: Sockets, process: WebProcess, *, silent: Sequence[int] = ()) -> Part:
    """Check whether this web process accepts more browser sockets, and whether the others of this host answer.

    Degraded at most: this process serves while others, whose numbers are `silent`, are restarted.
    """
    details = {
        "process": process.number,
        "processes": len(process.list_others()) + 1,
        "sockets": taken.open,
        "most_sockets": taken.most,
    }
    if silent:
        names = ", ".join(map(str, silent))
        return Part(Status.DEGRADED, f"no answer of web process {names}: ended, frozen or starting", details)
    if taken.is_full:
        return Part(Status.DEGRADED, "the maximum of browser sockets is open; further ones are refused", details)
    return Part(Status.OK, details=details)


def check_storage(database: Part, *, is_refused: bool) -> Part:
    """Return `database`, or degraded if it answers but refused a write lately."""
    if database.status is Status.OK and is_refused:
        return Part(Status.DEGRADED, "it refused a write in the last minute; its disk may be full")
    return database
