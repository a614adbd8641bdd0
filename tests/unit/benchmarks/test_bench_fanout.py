"""The cases of the fan-out that options choose, and the sets that their browsers watch."""

import argparse

import pytest

from benchmarks.bench_fanout import ALL_BROWSERS, DEFAULT, Case, add_options, list_cases


def cases_of(arguments: str) -> list[Case]:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return list(list_cases(parser.parse_args(arguments.split())))


@pytest.mark.parametrize(
    ("arguments", "cases"),
    [
        ("", list(DEFAULT)),
        ("--browsers 1000 --rate 4 --shared", [Case(1_000, is_shared=True)]),
        ("--browsers 20 500 --rate 10", [Case(20, hz=10), Case(500, hz=10)]),
        ("--instruments 100 202", [Case(200, 100), Case(200, 202)]),
        ("--shared --distinct", [Case(200), Case(200, is_shared=True)]),
        ("--server uvicorn daphne", [Case(200), Case(200, server="daphne")]),
        ("--slow", [Case(200), Case(200, has_slow=True)]),
        ("--layer", [Case(200, is_layer=True), Case(200)]),
        ("--browsers 5 --slow", [Case(5)]),
    ],
)
def test_options_choose_cases(arguments: str, cases: list[Case]) -> None:
    assert cases_of(arguments) == cases


def test_all_cases_have_every_number_of_browsers_at_both_rates() -> None:
    found = cases_of("--all")

    assert {(case.browsers, case.hz) for case in found} == {(number, hz) for number in ALL_BROWSERS for hz in (4, 10)}
    assert {case.is_shared for case in found} == {True, False}
    assert len(found) == len(set(found))


@pytest.mark.parametrize("instruments", [100, 200, 202])
def test_distinct_browsers_watch_different_sets(instruments: int) -> None:
    ids = range(1, 2_001)

    sets = Case(1_000, instruments).list_watched(ids)

    assert {len(one) for one in sets} == {instruments}
    assert len({one[0] for one in sets}) == 1_000


def test_browsers_of_a_shared_set_watch_the_same() -> None:
    sets = Case(20, is_shared=True).list_watched(range(1, 2_001))

    assert len({tuple(one) for one in sets}) == 1
