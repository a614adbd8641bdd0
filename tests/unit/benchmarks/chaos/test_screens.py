"""The reports of a page become what its screen shows."""

from benchmarks.chaos.checks import Screen, ShownRow
from benchmarks.chaos.screens import apply_report
from benchmarks.chaos.wire import Price


def test_rows_chip_and_required_instruments_are_taken_from_reports() -> None:
    screen = Screen("page")

    apply_report(screen, {"at": 1_500, "rows": [[7, "live", False, 100.5, 100, None, 40, 3, 2], [8, "waiting"]]})
    apply_report(screen, {"at": 2_000, "tone": "live", "label": "Live", "detail": "0.1 s", "required": [7, 8]})

    assert screen.rows == {
        7: ShownRow(
            "live", is_seeded=False, price=Price(100.5, 100, None, 40, 3), since=1.5, changed_at=1.5, connection=2
        )
    }
    assert screen.required == frozenset({7, 8})
    assert (screen.tone, screen.chip, screen.heard_at) == ("live", "Live 0.1 s", 2.0)


def test_a_row_keeps_the_times_of_its_state_and_of_its_price_until_they_change() -> None:
    screen = Screen("page")

    for at, state, ltp in ((1_000, "stale", 100), (2_000, "live", 100), (3_000, "live", 101), (4_000, "live", 101)):
        apply_report(screen, {"at": at, "rows": [[7, state, False, ltp, None, None, None, None, 2]]})

    assert (screen.rows[7].since, screen.rows[7].changed_at) == (2.0, 3.0)


def test_a_row_that_leaves_the_page_leaves_the_screen() -> None:
    screen = Screen("page", rows={7: ShownRow("live", is_seeded=False, price=Price(1.0))})

    apply_report(screen, {"at": 1_000, "rows": [[7, "waiting"]]})

    assert screen.rows == {}


def test_a_page_that_is_closed_for_good_has_ended() -> None:
    screen = Screen("page")

    apply_report(screen, {"at": 1_000, "ended": 4401})

    assert "4401" in screen.ended
