"""Waits for a CPU, of the thread that waited longest in the last seconds."""

import os

from benchmarks.chaos.cpu_waits import WINDOW_SECONDS, CpuWaits, read_waits


def test_the_longest_wait_of_one_thread_in_the_window_is_returned() -> None:
    waits = CpuWaits()
    waits.add({1: 10.0, 2: 3.0}, now=100.0)

    assert waits.add({1: 10.2, 2: 3.7}, now=101.0) == 3.7 - 3.0


def test_a_wait_before_the_window_does_not_count() -> None:
    waits = CpuWaits()
    waits.add({1: 0.0}, now=100.0)
    waits.add({1: 9.0}, now=101.0)

    assert waits.add({1: 9.25}, now=101.0 + WINDOW_SECONDS) == 0.25


def test_a_new_thread_counts_from_its_start() -> None:
    waits = CpuWaits()
    waits.add({}, now=100.0)

    assert waits.add({3: 0.5}, now=100.5) == 0.5


def test_threads_of_this_process_are_read_and_one_that_has_ended_is_not() -> None:
    assert os.getpid() in read_waits([os.getpid()])
    assert read_waits([2**22 + 1]) == {}  # above the largest process id (proc(5), pid_max)
