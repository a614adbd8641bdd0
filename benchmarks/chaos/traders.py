"""Traders who add and remove entries by REST all the time, and staff who enter a token."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx

from benchmarks.chaos.ledger import Ledger, Outcome, Target, Write

API: Final = "/api/v2"
ANSWER_SECONDS: Final = 20.0  # chosen: above every bound of the server, so that most answers are known
PAUSE_SECONDS: Final = (0.2, 1.5)  # chosen: people click; four of them make two writes a second
# A write without an answer may yet happen. Chosen: above the longest wait of the server, after which it may not.
UNKNOWN_SECONDS: Final = 30.0


def judge_answer(status: int | None) -> Outcome:
    """Return what a status proves; None for no answer."""
    if status is None or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Outcome.UNKNOWN
    return Outcome.ACKNOWLEDGED if status < httpx.codes.BAD_REQUEST else Outcome.REFUSED


@dataclass(slots=True)
class Trader:
    """One trader with a list of their own."""

    name: str
    client: httpx.AsyncClient
    ledger: Ledger
    random: Random
    targets: Sequence[Target]
    may_write: asyncio.Event
    entries: dict[Target, int] = field(default_factory=dict)
    """The ids of the entries that are on the list, as the answers say."""
    barred_until: dict[Target, float] = field(default_factory=dict)
    is_writing: bool = False
    refusals: Counter[str] = field(default_factory=Counter)
    """How often an answer was no success, by status and code."""

    async def write_for_ever(self) -> None:
        """Add and remove targets of a random choice while `may_write` is set."""
        while True:
            await asyncio.sleep(self.random.uniform(*PAUSE_SECONDS))
            await self.may_write.wait()
            free = [one for one in self.targets if self.barred_until.get(one, 0.0) < time.time()]
            if free:
                await self.write(self.random.choice(free))

    async def write(self, target: Target) -> Write:
        """Remove the target if it is on the list, else add it; record the outcome."""
        entry_id, began_at = self.entries.get(target), time.time()
        self.is_writing = True
        try:
            status, answer = await self._send(target, entry_id)
        finally:
            self.is_writing = False
        is_add = entry_id is None
        # 200 answers an add of an entry that is there already.
        changes = not is_add or status == httpx.codes.CREATED
        write = Write(self.name, target, is_add, began_at, time.time(), judge_answer(status), changes)
        self.ledger.writes.append(write)
        self._apply(write, answer)
        return write

    async def _send(self, target: Target, entry_id: int | None) -> tuple[int | None, Any]:
        added = {"symbol": target.symbol, "instrument_type": target.kind, "expiry": target.expiry, "exchange": "NSE"}
        body = added if entry_id is None else {"entry_id": entry_id}
        path = f"{API}/watchlist/{'add' if entry_id is None else 'remove'}"
        try:
            answer = await self.client.post(path, json={name: one for name, one in body.items() if one is not None})
        except httpx.HTTPError:
            return None, None
        if answer.is_success:
            return answer.status_code, answer.json()
        self.refusals[f"{answer.status_code} {_code_of(answer)}"] += 1
        return answer.status_code, None

    def _apply(self, write: Write, answer: Any) -> None:
        if write.outcome is Outcome.UNKNOWN:
            # Whatever came of it: an add of what is there is harmless, and its answer names the entry.
            self.entries.pop(write.target, None)
            self.barred_until[write.target] = time.time() + UNKNOWN_SECONDS
        elif write.outcome is Outcome.ACKNOWLEDGED and write.is_add:
            self.entries[write.target] = int(answer["entry"]["id"])
        else:
            self.entries.pop(write.target, None)


def _code_of(answer: httpx.Response) -> str:
    """Return the code of an error of the API; empty where the answer is none."""
    try:
        body = answer.json()
    except ValueError:
        return ""
    return str(body.get("code", "")) if isinstance(body, dict) else ""


@asynccontextmanager
async def api_client(web: str, name: str, password: str) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the API with a new token of a trader."""
    async with httpx.AsyncClient(base_url=web, timeout=ANSWER_SECONDS, trust_env=False) as client:
        answer = await client.post(f"{API}/auth/token", json={"username": name, "password": password})
        answer.raise_for_status()
        client.headers["Authorization"] = f"Token {answer.json()['token']}"
        yield client


@asynccontextmanager
async def browser_client(web: str, name: str, password: str) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client with a login session, as of a browser. Raises RuntimeError if the login is refused."""
    async with httpx.AsyncClient(base_url=web, timeout=ANSWER_SECONDS, trust_env=False) as client:
        await client.get("/login/")
        answer = await client.post(
            "/login/",
            data={"username": name, "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]},
            headers={"Referer": f"{web}/login/"},
        )
        if answer.status_code != httpx.codes.FOUND:
            raise RuntimeError(f"{name} cannot log in: {answer.status_code}")
        yield client


async def enter_token(staff: httpx.AsyncClient, *, client_id: str, access_token: str) -> bool:
    """Enter an access token at the admin page; return whether it was taken."""
    path = "/admin/marketdata/brokersession/add/"
    try:
        await staff.get(path)
        answer = await staff.post(
            path,
            data={
                "client_id": client_id,
                "access_token": access_token,
                "csrfmiddlewaretoken": staff.cookies["csrftoken"],
            },
            headers={"Referer": f"{staff.base_url}{path}"},
        )
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.FOUND
