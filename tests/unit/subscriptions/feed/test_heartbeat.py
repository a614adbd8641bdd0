"""Heartbeats reach the supervisor's socket; a missing supervisor causes no error."""

import asyncio
import socket
from pathlib import Path

import pytest

from subscriptions.feed.heartbeat import MESSAGE, send_heartbeats


def test_heartbeats_start_before_the_supervisor_listens_and_arrive_once_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)

    async def live() -> bytes:
        beating = asyncio.create_task(send_heartbeats())
        await asyncio.sleep(0)  # The first heartbeat has no listener.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(address)
            listener.setblocking(False)
            async with asyncio.timeout(5):
                message = await asyncio.get_running_loop().sock_recv(listener, 64)
        assert not beating.done()
        beating.cancel()
        return message

    assert asyncio.run(live()) == MESSAGE


def test_a_leading_at_sign_names_an_abstract_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("")  # The kernel gives it an abstract name.
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + listener.getsockname()[1:].decode())

        async def live() -> bytes:
            beating = asyncio.create_task(send_heartbeats())
            async with asyncio.timeout(5):
                message = await asyncio.get_running_loop().sock_recv(listener, 64)
            beating.cancel()
            return message

        assert asyncio.run(live()) == MESSAGE
