"""Credentials of the broker: the last ones stay in use during read errors, and an error is logged once."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from django.db import OperationalError

from marketdata.dhan.credentials import Credentials
from marketdata.dhan.sealing import TokenUnreadable
from subscriptions.feed.connection.credentials import CredentialsReader

FIRST, SECOND = Credentials("100", "the-first-token"), Credentials("100", "the-second-token")


def answering(*answers: Credentials | Exception) -> Callable[[], Credentials | None]:
    """Return a reader that returns or raises the answers in order and then repeats the last one."""
    left = list(answers)

    def read() -> Credentials:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return read


@pytest.mark.parametrize("error", [OperationalError("away"), TokenUnreadable()])
def test_the_last_credentials_stay_in_use_during_read_errors(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def read_thrice() -> list[Credentials | None]:
        credentials_reader = CredentialsReader(answering(FIRST, error, error, SECOND))
        return [await credentials_reader.read() for _ in range(4)]

    assert asyncio.run(read_thrice()) == [FIRST, FIRST, FIRST, SECOND]
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert not [one for one in (FIRST, SECOND) if one.access_token in caplog.text]


def test_a_wait_ends_with_other_credentials_and_not_with_a_read_error() -> None:
    async def wait() -> tuple[bool, bool]:
        changing = CredentialsReader(answering(FIRST, OperationalError("away"), SECOND))
        steady = CredentialsReader(answering(FIRST))
        await changing.read()
        return (
            await changing.wait_for_other_than(FIRST, seconds=10),
            await steady.wait_for_other_than(FIRST, seconds=0.1),
        )

    assert asyncio.run(wait()) == (True, False)


def test_a_refusal_is_recorded_and_a_database_error_is_not_raised() -> None:
    noted: list[tuple[Credentials, str]] = []

    def note(refused: Credentials, reason: str) -> None:
        if noted:
            raise OperationalError("away")
        noted.append((refused, reason))

    async def be_refused_twice() -> None:
        credentials_reader = CredentialsReader(answering(FIRST), note)
        await credentials_reader.note_refused(FIRST, "807: expired")
        await credentials_reader.note_refused(FIRST, "807: expired")

    asyncio.run(be_refused_twice())

    assert noted == [(FIRST, "807: expired")]
