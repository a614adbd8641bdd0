"""Performs planned acts on the running stack, and takes them back."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import httpx
import psutil

from benchmarks.chaos.plan import Method, PlannedAct
from benchmarks.chaos.report import Period
from benchmarks.chaos.stack import Stack
from benchmarks.chaos.traders import enter_token
from tests.waiting import wait_until_async

CONTROL_SECONDS: Final = 30.0  # chosen: the simulator is on this machine, which may be busy
RETURN_SECONDS: Final = 30.0  # chosen: a process that the round has killed is back by then
TOKEN_SECONDS: Final = 90.0  # chosen: another act of the round may break the answers of the broker's profile until then
RETRY_SECONDS: Final = 1.0


@dataclass(slots=True)
class Stage:
    """The stack, the simulator's control API, and the session of staff."""

    stack: Stack
    control: httpx.AsyncClient
    staff: httpx.AsyncClient

    async def perform(self, planned: PlannedAct) -> Period:
        """Perform an act from begin to end; return the period in which it was in force."""
        await asyncio.sleep(planned.offset)
        began_at = time.time()
        match planned.act.method:
            case Method.KILL:
                await self._kill(planned.act.subject)
            case Method.FREEZE:
                await self._freeze(planned.act.subject, planned.seconds)
            case Method.FAULT:
                await self._fault(planned)
            case Method.TOKEN:
                await self._refuse_token(planned)
        return Period(began_at, time.time())

    async def count_sockets(self) -> int:
        """Return the most sockets that the broker ever counted at one moment."""
        return int((await self._ask("GET", "/connections")).json()["high_water"])

    async def _process(self, name: str) -> psutil.Process:
        """Return a process; wait for one that is being restarted."""
        async with asyncio.timeout(RETURN_SECONDS):
            while True:
                with suppress(psutil.Error):
                    if (found := self.stack.find(name)) is not None:
                        return found
                await asyncio.sleep(0.1)

    async def _kill(self, name: str) -> None:
        process = await self._process(name)
        with suppress(psutil.NoSuchProcess):  # The other act has ended it.
            process.kill()

    async def _freeze(self, name: str, seconds: float) -> None:
        process = await self._process(name)
        frozen: list[psutil.Process] = []
        try:
            # The parent first, so that it starts no more children.
            _suspend([process], frozen)
            with suppress(psutil.NoSuchProcess):
                _suspend(process.children(recursive=True), frozen)
            await asyncio.sleep(seconds)
        finally:
            for one in frozen:
                # The supervisor may have ended it; psutil never signals another process of the same id.
                with suppress(psutil.NoSuchProcess):
                    one.resume()

    async def _fault(self, planned: PlannedAct) -> None:
        name = planned.act.subject
        socket = planned.socket
        if socket is not None:
            # Fewer sockets are open while they return from another act; without any the fault is for all that follow.
            count = len((await self._ask("GET", "/connections")).json()["connections"])
            socket = min(socket, count) or None
        await self._set_fault(name, planned.dial, socket)
        try:
            if planned.act.resets:
                await self._set_fault("tcp_reset", 0, 1)
            await asyncio.sleep(planned.seconds)
        finally:
            await self._ask("DELETE", f"/faults/{name}")

    async def _refuse_token(self, planned: PlannedAct) -> None:
        await self._set_fault(planned.act.subject, planned.dial, None)
        try:
            await self._set_fault("token_rollover", 1, None)
            await asyncio.sleep(planned.seconds)
            token = (await self._ask("POST", "/token", {"hours": 24})).json()["access_token"]
            await wait_until_async(
                lambda: self._is_entered(token), seconds=TOKEN_SECONDS, message="the new token is accepted"
            )
        finally:
            await self._ask("DELETE", f"/faults/{planned.act.subject}")

    async def _is_entered(self, token: str) -> bool:
        is_entered = await enter_token(self.staff, client_id=self.stack.client_id, access_token=token)
        await asyncio.sleep(0.0 if is_entered else RETRY_SECONDS)
        return is_entered

    async def _set_fault(self, name: str, dial: float, socket: int | None) -> None:
        await self._ask("PUT", f"/faults/{name}", {"dial": dial, "connection": socket})

    async def _ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        answer = await self.control.request(method, f"{self.stack.control}{path}", json=body, timeout=CONTROL_SECONDS)
        # A socket may end between the count and the request: then the fault has no socket to apply to.
        if answer.status_code != httpx.codes.BAD_REQUEST:
            answer.raise_for_status()
        return answer


def _suspend(processes: Sequence[psutil.Process], frozen: list[psutil.Process]) -> None:
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            one.suspend()
            frozen.append(one)
