"""The status of each part of /health from the readings of PostgreSQL and Redis."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from marketdata.selectors import AccessTokenStatus, LastImport, TokenSource
from subscriptions.selectors import AccountCooldown, RuleState, TierBHeld
from terminal.health import (
    DatabaseReadings,
    RedisReadings,
    check_analytics,
    check_disk,
    check_gate,
    check_instruments,
    check_parts,
    check_periodic_work,
    check_tier_b,
    check_token,
    worst,
)
from terminal.health_parts import Part, Status
from terminal.probes import NoAnswer
from tests.unit.terminal.feed_readings import make_placement, make_reports

NOW = datetime(2026, 2, 10, 4, 30, tzinfo=UTC)
IMPORT = LastImport(listed=1_000, as_of=date(2026, 2, 10), finished_at=NOW, is_newest_refused=False)
TOKEN = AccessTokenStatus(NOW + timedelta(hours=9), "beef", TokenSource.STORED, "entered", "")
LOADED = [RuleState("NIFTY (NSE_FNO)", wanted=2, held=2, waiting=())]


def test_all_parts_are_ok_with_good_readings() -> None:
    parts = check_parts(
        {
            "database": DatabaseReadings(IMPORT, LOADED, TOKEN, None, None),
            "redis": RedisReadings(NOW, 0, make_reports(), NOW),
            "placement": make_placement(),
            "disk": 5_000,
        },
        now=NOW,
    )

    assert list(parts) == [
        "web",
        "database",
        "redis",
        "instruments",
        "tier_b",
        "token",
        "sessions",
        "gate",
        "feed",
        "beat",
        "work",
        "analytics",
        "disk",
    ]
    assert worst(parts) is Status.OK


@pytest.mark.parametrize(
    ("last_analytics", "status"),
    [
        (NOW - timedelta(seconds=3), Status.OK),
        (NOW - timedelta(seconds=4), Status.DEGRADED),
        (None, Status.DEGRADED),
    ],
)
def test_figures_that_stand_still_degrade_health(last_analytics: datetime | None, status: Status) -> None:
    assert check_analytics(RedisReadings(NOW, 0, (), last_analytics), now=NOW).status is status


def test_a_hung_database_only_degrades_health_while_all_prices_flow() -> None:
    gone = NoAnswer("no answer within 1.5 s")

    parts = check_parts(
        {"database": gone, "redis": RedisReadings(NOW, 0, make_reports(), NOW), "placement": gone, "disk": 5_000},
        now=NOW,
    )

    degraded = {name for name, part in parts.items() if part.status is Status.DEGRADED}
    assert degraded == {"database", "instruments", "tier_b", "token", "sessions", "gate"}
    assert parts["feed"].status is Status.OK
    assert worst(parts) is Status.DEGRADED
    assert parts["database"].reason == "no answer within 1.5 s: prices continue, but nothing can be added or removed"


def test_a_hung_database_fails_health_where_an_owner_is_gone_too() -> None:
    gone = NoAnswer("no answer within 1.5 s")
    reports = [one for one in make_reports() if one.report.connection != 4]

    parts = check_parts(
        {"database": gone, "redis": RedisReadings(NOW, 0, reports), "placement": gone, "disk": 5_000},
        known={4: 100},
        now=NOW,
    )

    assert parts["feed"].status is Status.FAILING
    assert parts["feed"].reason == "not live: connection 4 (wanted)"


def test_an_unavailable_redis_fails_the_feed() -> None:
    parts = check_parts(
        {
            "database": DatabaseReadings(IMPORT, LOADED, TOKEN, None, None),
            "redis": NoAnswer("ConnectionError"),
            "placement": make_placement(),
            "disk": 5_000,
        },
        now=NOW,
    )

    failing = {name for name, part in parts.items() if part.status is Status.FAILING}
    assert failing == {"redis", "feed"}
    assert (parts["beat"].status, parts["work"].status) == (Status.DEGRADED, Status.DEGRADED)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([Status.OK, Status.OK], Status.OK),
        ([Status.OK, Status.DEGRADED], Status.DEGRADED),
        ([Status.FAILING, Status.DEGRADED, Status.OK], Status.FAILING),
    ],
)
def test_the_overall_status_is_that_of_the_worst_part(statuses: list[Status], expected: Status) -> None:
    assert worst({str(number): Part(status) for number, status in enumerate(statuses)}) is expected


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (IMPORT, Status.OK),
        (None, Status.FAILING),
        (LastImport(0, date(2026, 2, 10), NOW, is_newest_refused=False), Status.FAILING),
        (LastImport(1_000, date(2026, 2, 10), NOW, is_newest_refused=True), Status.DEGRADED),
        (
            LastImport(1_000, date(2026, 2, 8), NOW - timedelta(hours=37), is_newest_refused=False),
            Status.DEGRADED,
        ),
    ],
)
def test_instruments_must_be_imported_today_or_yesterday(last: LastImport | None, expected: Status) -> None:
    assert check_instruments(last, now=NOW).status is expected


def test_tier_b_fails_while_it_loads_and_names_the_waiting_rules() -> None:
    waiting = RuleState("GOLD (MCX_COMM)", wanted=3, held=1, waiting=("future 7", "future 8"))

    part = check_tier_b([*LOADED, waiting], TierBHeld(84, 84))

    assert part.status is Status.FAILING
    assert part.reason == "loading, or waiting for a price: GOLD (MCX_COMM): 2 of 3"
    assert part.details == {"wanted": 5, "held": 3}


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (TierBHeld(1_660, 1_660), (Status.OK, "")),
        (TierBHeld(1_700, 1_660), (Status.OK, "")),
        (
            TierBHeld(1_598, 1_660),
            (Status.DEGRADED, "tier B fell from 1,660 to 1,598 instruments within an hour; see the subscription log"),
        ),
    ],
)
def test_tier_b_is_degraded_while_it_holds_less_than_an_hour_ago(held: TierBHeld, expected: tuple[Status, str]) -> None:
    part = check_tier_b(LOADED, held)

    assert (part.status, part.reason) == expected


def test_a_refused_import_shows_which_count_fell() -> None:
    last = replace(IMPORT, is_newest_refused=True, difference="MCX MCX_COMM OPTFUT fell from 36 to 0 rows.")

    part = check_instruments(last, now=NOW)

    assert part.status is Status.DEGRADED
    assert part.reason == (
        "the newest import was refused, the list of the import before it remains: "
        "MCX MCX_COMM OPTFUT fell from 36 to 0 rows."
    )


def test_held_items_that_left_the_list_are_named() -> None:
    part = check_instruments(IMPORT, vanished=[f"S{number}" for number in range(12)], now=NOW)

    assert part.status is Status.DEGRADED
    assert part.reason.endswith("in the last day: S0, S1, S2, S3, S4, S5, S6, S7, S8, S9 and 2 more")


def test_notes_of_an_import_are_shown() -> None:
    part = check_instruments(replace(IMPORT, notes=["Series without a spot: FOCIT."]), now=NOW)

    assert (part.status, part.details["notes"]) == (Status.OK, ["Series without a spot: FOCIT."])


@pytest.mark.parametrize(
    ("redis", "beat", "work"),
    [
        (RedisReadings(NOW - timedelta(seconds=60), 3), Status.OK, Status.OK),
        (RedisReadings(NOW - timedelta(seconds=61), 3), Status.OK, Status.DEGRADED),
        (RedisReadings(NOW - timedelta(seconds=61), 0), Status.DEGRADED, Status.DEGRADED),
        (RedisReadings(None, 0), Status.DEGRADED, Status.DEGRADED),
        (RedisReadings(None, 1), Status.OK, Status.DEGRADED),
        (RedisReadings(NOW + timedelta(seconds=60), 3), Status.OK, Status.OK),
        (RedisReadings(NOW + timedelta(days=2), 0), Status.DEGRADED, Status.DEGRADED),
        (RedisReadings(NOW + timedelta(days=2), 3), Status.OK, Status.DEGRADED),
        (None, Status.DEGRADED, Status.DEGRADED),
    ],
)
def test_a_late_run_degrades_beat_or_work(redis: RedisReadings | None, beat: Status, work: Status) -> None:
    parts = check_periodic_work(redis, now=NOW)

    assert (parts["beat"].status, parts["work"].status) == (beat, work)


def test_last_runs_in_the_future_are_reported() -> None:
    starting = check_periodic_work(RedisReadings(NOW, 0), ahead=12, now=NOW)["beat"]
    stopped = check_periodic_work(RedisReadings(NOW + timedelta(days=2), 0), ahead=12, now=NOW)["beat"]

    assert (starting.status, stopped.status) == (Status.DEGRADED, Status.DEGRADED)
    assert starting.reason == (
        "12 periodic tasks have last runs in the future, of a clock that was ahead; they run now"
    )
    assert "last runs in the future: 12" in stopped.reason


@pytest.mark.parametrize(
    ("free_mb", "status", "reason"),
    [
        (1_000, Status.OK, ""),
        (999, Status.DEGRADED, "less than 1000 MB are free"),
        (NoAnswer("no answer within 1.5 s"), Status.DEGRADED, "the free space is unknown: no answer within 1.5 s"),
    ],
)
def test_a_nearly_full_disk_is_degraded(free_mb: object, status: Status, reason: str) -> None:
    part = check_disk(free_mb, min_mb=1_000)

    assert (part.status, part.reason) == (status, reason)


@pytest.mark.parametrize(
    ("life", "status", "reason"),
    [
        (TOKEN, Status.OK, ""),
        (replace(TOKEN, expires_at=None), Status.OK, ""),
        (replace(TOKEN, source=TokenSource.NONE, problem="Set X."), Status.DEGRADED, "there is no access token"),
        (replace(TOKEN, expires_at=NOW, problem="It expired."), Status.DEGRADED, "the access token has expired"),
        (
            replace(TOKEN, problem="Renewal failed 3 times: the broker said beef."),
            Status.DEGRADED,
            "the access token was refused or cannot be renewed; see the admin",
        ),
    ],
)
def test_a_token_problem_is_reported_without_quoting_the_token(
    life: AccessTokenStatus, status: Status, reason: str
) -> None:
    part = check_token(life, now=NOW)

    assert (part.status, part.reason) == (status, reason)
    assert "beef" not in str(part.body())


def test_a_calendar_without_future_sessions_is_degraded_with_its_reason() -> None:
    lack = "No market session is known for Fri 01 Jan 2027: load the calendar."

    parts = check_parts(
        {
            "database": DatabaseReadings(IMPORT, LOADED, TOKEN, lack, None),
            "redis": RedisReadings(NOW, 0, make_reports()),
            "placement": make_placement(),
            "disk": 5_000,
        },
        now=NOW,
    )

    assert (parts["sessions"].status, parts["sessions"].reason) == (Status.DEGRADED, lack)
    assert worst(parts) is Status.DEGRADED


def test_a_closed_gate_shows_its_end_and_reason() -> None:
    part = check_gate(AccountCooldown(NOW, closes_all=True, reason="805: too many requests or connections"))

    assert part.status is Status.DEGRADED
    assert part.reason == "cooldown, no socket is opened: 805: too many requests or connections"
    assert (part.details["quiet_until"], part.details["closes_all"]) == (NOW, True)
    assert check_gate(None).status is Status.OK
