"""The fence: the evidence that closes a socket, with a clock that the test sets."""

import asyncio
from dataclasses import dataclass

import pytest

from subscriptions.feed.ownership.fence import BOARD_GONE_SECONDS, Fence

FROZEN_SECONDS = 45.0
SUPERSEDED = "another owner has this connection"
UNREACHABLE = "neither PostgreSQL nor Redis can be reached"


@dataclass
class Clock:
    """A clock that the test sets, and the time of the last renewal."""

    now: float = 1_000.0
    renewed_at: float = 1_000.0

    def make_fence(self) -> Fence:
        return Fence(lambda: self.renewed_at, frozen_seconds=FROZEN_SECONDS, clock=lambda: self.now)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_owner_without_postgres_continues_while_redis_answers(clock: Clock) -> None:
    one = clock.make_fence()
    for _ in range(100):
        clock.now += BOARD_GONE_SECONDS - 1
        one.note_board()

        assert one.why_closed() is None


def test_a_newer_epoch_on_the_board_closes_the_fence_and_an_emptied_board_does_not_open_it(clock: Clock) -> None:
    one = clock.make_fence()
    clock.now += 1
    one.note_superseded()
    assert one.why_closed() == SUPERSEDED

    clock.now += 10
    one.note_announced()

    assert one.why_closed() == SUPERSEDED


def test_a_later_renewal_marks_the_board_as_wrong_until_the_epoch_is_announced(
    clock: Clock,
) -> None:
    one = clock.make_fence()
    clock.now += 1
    one.note_superseded()
    clock.renewed_at = clock.now + 0.5
    clock.now += 1
    one.note_superseded()
    assert one.is_board_wrong
    assert one.why_closed() is None

    one.note_announced()
    assert not one.is_board_wrong

    clock.now += 1
    one.note_superseded()
    assert one.why_closed() == SUPERSEDED


def test_an_owner_without_postgres_and_redis_closes_only_after_the_frozen_time(clock: Clock) -> None:
    one = clock.make_fence()
    clock.now = clock.renewed_at + FROZEN_SECONDS
    assert one.why_closed() is None

    clock.now += 0.1
    assert one.why_closed() == UNREACHABLE

    one.note_board()
    assert one.why_closed() is None


def test_a_new_owner_waits_for_its_epoch_on_the_board_at_most_for_the_frozen_time() -> None:
    async def wait(*, announced: bool) -> bool:
        one = Fence(frozen_seconds=60.0 if announced else 0.05)
        waiting = asyncio.ensure_future(one.wait_announced())
        await asyncio.sleep(0)
        assert not waiting.done()
        if announced:
            one.note_announced()
        _, late = await asyncio.wait([waiting], timeout=5)
        return not late

    assert asyncio.run(wait(announced=True))
    assert asyncio.run(wait(announced=False))
