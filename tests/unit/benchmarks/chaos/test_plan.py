"""The plan of a run: seeded, two acts at a time, every act as often as the others, faults that exist."""

from collections import Counter
from itertools import islice

import pytest

from benchmarks.chaos.plan import ACTS, Method, choose_acts, plan_each, plan_rounds
from simulator.faults import REGISTRY


def test_the_same_seed_gives_the_same_rounds_and_another_seed_others() -> None:
    def plan(seed: int) -> list[str]:
        return [str(one) for acts in islice(plan_rounds(ACTS, seed=seed), 40) for one in acts]

    assert plan(5) == plan(5) != plan(6)


def test_every_round_has_two_different_acts_and_all_acts_occur_equally_often() -> None:
    rounds = list(islice(plan_rounds(ACTS, seed=1), 2 * len(ACTS)))

    assert all(len({one.act.name for one in acts}) == 2 for acts in rounds)
    counts = Counter(one.act.name for acts in rounds for one in acts)
    assert set(counts.values()) <= {3, 4, 5}
    assert len(counts) == len(ACTS)


def test_a_single_chosen_act_is_a_round_of_its_own() -> None:
    acts = choose_acts(["kill web"])

    assert [[one.act.name for one in planned] for planned in islice(plan_rounds(acts, seed=1), 2)] == [["kill web"]] * 2


def test_each_act_is_performed_alone_for_all_sockets_and_for_one_at_its_longest() -> None:
    rounds = list(plan_each(choose_acts(["freeze feed", "truncated"])))

    assert [[(one.title, one.seconds, one.dial) for one in acts] for acts in rounds] == [
        [("freeze feed", 15.0, 1)],
        [("truncated, all sockets", 16.0, 0.05)],
        [("truncated, one socket", 16.0, 0.05)],
    ]


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no act is called 'mutes'; there are: kill feed, "):
        choose_acts(["mutes"])


def test_every_fault_of_the_plan_exists_with_valid_dials_and_fits_its_sockets() -> None:
    for act in ACTS:
        if act.method is Method.FAULT:
            fault = REGISTRY[act.subject]
            assert [fault.check(dial) for dial in act.dials] == list(act.dials)
            assert fault.is_per_connection or not act.is_for_one
            assert all(fault.is_one_shot(dial) == (act.seconds[1] == 0) for dial in act.dials)


def test_every_fault_of_the_simulator_is_in_the_plan() -> None:
    assert set(REGISTRY) - {act.subject for act in ACTS} == {"token_rollover"}, "token refused switches that one on"
