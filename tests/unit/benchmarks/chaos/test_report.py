"""Recovery times from dark periods, and the table with its violations."""

from benchmarks.chaos.checks import Violation
from benchmarks.chaos.report import DarkTimes, Period, Report

ROTTEN = Violation(1.0, "a live row has packets", "page NIFTY", "instrument 7")


def make_dark_times(*periods: tuple[float, float]) -> DarkTimes:
    times = DarkTimes()
    for began_at, ended_at in periods:
        times.sample(is_dark=True, now=began_at)
        times.sample(is_dark=False, now=ended_at)
    return times


def test_recovery_is_the_time_from_the_end_of_the_act_to_the_end_of_the_dark_period() -> None:
    times = make_dark_times((12.0, 15.5))

    assert times.recovery_after(Period(10.0, 10.0)) == 5.5
    assert times.recovery_after(Period(10.0, 14.0)) == 1.5


def test_an_act_that_darkens_nothing_or_whose_rows_return_before_its_end_has_no_recovery() -> None:
    assert make_dark_times().recovery_after(Period(10.0, 11.0)) == 0.0
    assert make_dark_times((12.0, 13.0)).recovery_after(Period(10.0, 20.0)) == 0.0


def test_dark_seconds_are_those_inside_the_period() -> None:
    times = make_dark_times((1.0, 2.0), (4.0, 7.0), (9.0, 12.0))

    assert times.seconds_during(Period(3.0, 10.0)) == 4.0


def test_a_dark_period_of_a_later_act_does_not_count() -> None:
    assert make_dark_times((40.0, 50.0)).recovery_after(Period(10.0, 11.0)) == 0.0


def test_two_dark_periods_of_an_act_count_to_the_end_of_the_later_one() -> None:
    assert make_dark_times((10.0, 11.0), (13.0, 16.0)).recovery_after(Period(9.0, 10.0)) == 6.0


def test_the_table_has_count_median_worst_and_violations_of_each_act() -> None:
    report = Report()
    report.acts = {1: ["mute", "kill web"], 2: ["mute", "half_open"]}
    for act, seconds in (("mute", 1.0), ("mute", 4.0), ("kill web", 2.0), ("half_open", 3.0)):
        report.add_recovery(act, seconds)
    assert report.add_violation(1, ROTTEN)
    assert not report.add_violation(1, ROTTEN)

    lines = [line.split() for line in report.lines()]

    assert lines[0] == ["act", "count", "p50", "s", "worst", "s", "violations"]
    assert lines[1:5] == [
        ["half_open", "1", "3.0", "3.0", "0"],
        ["kill", "web", "1", "2.0", "2.0", "1"],
        ["mute", "2", "2.5", "4.0", "1"],
        ["all", "4", "2.5", "4.0", "1"],
    ]
    assert report.lines()[-1] == (
        "VIOLATION in round 1 (mute and kill web), 2 times: a live row has packets: page NIFTY: instrument 7"
    )
