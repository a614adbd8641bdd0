"""The table of acts, and the changes of what was shown during one."""

import json

from benchmarks.chaos.report import DarkTimes, Period
from benchmarks.chaos.sightings import Sighting, Sightings, describe_health


def sight(at: float, label: str = "Live", *, health: str = "200 ok", dark: int = 0, age: float = 0.1) -> Sighting:
    return Sighting(at, label, "0.1 s", health, dark, age)


def test_the_row_of_an_act_has_its_longest_live_age_dark_seconds_and_recovery() -> None:
    dark = DarkTimes([Period(13.0, 18.5)])
    sightings = Sightings([sight(9.0, age=7.0), sight(11.0, age=3.2), sight(14.0, dark=40), sight(20.0)])

    sightings.finish("mute, one socket", Period(10.0, 16.0), dark, recovery=2.5)

    assert [line.split("  ")[0] for line in sightings.table()] == ["act", "mute, one socket"]
    assert sightings.rows[0].split()[-3:] == ["3.2", "5.5", "2.5"]
    assert sightings.seen == []


def test_only_changes_of_label_health_or_darkness_are_told() -> None:
    sightings = Sightings(
        [
            sight(10.0),
            sight(10.5),
            sight(12.0, health="200 feed degraded"),
            sight(13.0, "Stale", health="200 feed degraded", dark=40),
            sight(13.5, "Stale", health="200 feed degraded", dark=30),
            sight(17.0),
        ]
    )

    lines = sightings.finish("mute", Period(10.0, 16.0), DarkTimes(), recovery=0.0)

    assert [line.strip() for line in lines] == [
        "0.0 s: Live 0.1 s; 0 dark rows; health 200 ok",
        "2.0 s: Live 0.1 s; 0 dark rows; health 200 feed degraded",
        "3.0 s: Stale 0.1 s; 40 dark rows; health 200 feed degraded",
        "7.0 s (ended): Live 0.1 s; 0 dark rows; health 200 ok",
    ]


def test_health_is_its_code_and_the_parts_that_are_not_ok() -> None:
    parts = {"web": {"status": "ok"}, "feed": {"status": "failing"}, "beat": {"status": "degraded"}}

    assert describe_health(503, json.dumps({"parts": parts})) == "503 feed failing, beat degraded"
    assert describe_health(200, json.dumps({"parts": {"web": {"status": "ok"}}})) == "200 ok"
    assert describe_health(502, "<html>") == "502 without a report"
