"""Watches the run: samples the screens, checks the rules that hold at every moment, and those of a calm moment."""

import asyncio
import math
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import psutil
import psycopg

from benchmarks.chaos.checks import CALM, DURING_ACTS, Limits, Screen, Violation, check_limits, check_screen, live_age
from benchmarks.chaos.cpu_waits import CpuWaits, read_waits
from benchmarks.chaos.ledger import Ledger
from benchmarks.chaos.report import DarkTimes, Report
from benchmarks.chaos.sightings import NO_ANSWER, Sighting, Sightings, describe_health
from benchmarks.chaos.stack import Stack
from benchmarks.chaos.traders import ANSWER_SECONDS, Trader
from benchmarks.chaos.wire import Key, WireRecord
from tests.waiting import wait_until_async

SAMPLE_SECONDS: Final = 0.25  # chosen: the rate of the browser
# Chosen: after a later sample this program itself had no CPU, and neither relay nor pages can be judged.
LATE_SECONDS: Final = 0.75
UNJUDGED_SECONDS: Final = 2.0  # chosen: what has waited meanwhile is read by then
# Chosen: of the time that a row may be late, the processes on its way wait for a CPU at most this part.
MOST_WAIT_SHARE: Final = 0.5
FIND_SECONDS: Final = 1.0  # chosen: a process that was killed is back in a second or more
HEARD_SECONDS: Final = 0.75  # chosen: three reports of a page
SETTLED_SECONDS: Final = 2.0  # chosen: longer than the gap between two dark moments of one recovery
# Chosen: above the broker's longest cooldown, 60 s, the opening of five sockets and a backoff.
RECOVERY_SECONDS: Final = 150.0
CALM_AFTER_SECONDS: Final = 3.0  # chosen: the last late frame of an act has arrived
QUERY_SECONDS: Final = 30.0
ASK_SECONDS: Final = 1.0
HEALTH_SECONDS: Final = 3.0  # chosen: `/health` answers within two


@dataclass(slots=True)
class Observer:
    """All that is observed, and the round in which it happens."""

    stack: Stack
    wire: WireRecord
    screens: Sequence[Screen]
    traders: Sequence[Trader]
    ledger: Ledger
    report: Report
    timeline: Path
    """The file of what each page showed: a line for each change of its chip's tone or of its dark rows."""
    began_at: float
    may_write: asyncio.Event
    keys: Mapping[int, Key] = field(default_factory=dict)
    dark: DarkTimes = field(default_factory=DarkTimes)
    round_number: int = 0
    is_acting: bool = False
    calm_since: float = math.inf
    sightings: Sightings | None = None
    """What the first page shows; None where no table of acts is made."""
    health: str = NO_ANSWER
    serving: Sequence[int] = ()
    """The ids of the processes that a price passes."""
    waited: float = 0.0
    """The seconds for which one of their threads has waited for a CPU lately."""
    last_shown: dict[str, tuple[str, int]] = field(default_factory=dict)
    samples: int = 0
    judged_values: int = 0
    skipped: int = 0

    def record(self, violation: Violation) -> None:
        """Record a violation; print the first of its kind in a round."""
        if self.report.add_violation(self.round_number, violation):
            moment = datetime.fromtimestamp(violation.at, UTC)
            print(
                f"   VIOLATION {moment:%H:%M:%S} {violation.rule}: {violation.subject}: {violation.detail}", flush=True
            )

    @property
    def has_result(self) -> bool:
        """Whether most samples were judged: a run without a CPU proves nothing."""
        return self.skipped < self.samples - self.skipped

    def background(self) -> Sequence[Coroutine[object, object, None]]:
        """Return what runs beside the rounds: the traders and the samples."""
        tasks = [*(trader.write_for_ever() for trader in self.traders), self.sample_for_ever()]
        tasks.append(self.find_processes_for_ever())
        return tasks if self.sightings is None else [*tasks, self.ask_health_for_ever()]

    def begin_writes(self) -> None:
        """Let the traders begin; the time before the first act is calm."""
        self.calm_since = time.time()
        self.may_write.set()

    async def sample_for_ever(self) -> None:
        """Sample and judge the screens at a fixed rate."""
        due_at = unjudged_until = time.monotonic()
        waits = CpuWaits()
        while True:
            due_at = max(due_at + SAMPLE_SECONDS, time.monotonic())
            await asyncio.sleep(max(due_at - time.monotonic(), 0.0))
            is_late = time.monotonic() - due_at > LATE_SECONDS
            if is_late:
                unjudged_until = time.monotonic() + UNJUDGED_SECONDS
            self.waited = waits.add(read_waits(self.serving), now=time.monotonic())
            self._sample(is_judged=time.monotonic() >= unjudged_until)

    async def find_processes_for_ever(self) -> None:
        """Keep the ids of the processes that a price passes; acts kill them."""
        while True:
            with suppress(psutil.Error):  # One has ended meanwhile.
                self.serving = await asyncio.to_thread(self.stack.list_serving)
            await asyncio.sleep(FIND_SECONDS)

    async def ask_health_for_ever(self) -> None:
        """Ask `/health` once a second."""
        async with httpx.AsyncClient(timeout=HEALTH_SECONDS, trust_env=False) as client:
            while True:
                try:
                    answer = await client.get(f"{self.stack.web}/health")
                except httpx.HTTPError:
                    self.health = NO_ANSWER
                else:
                    self.health = describe_health(answer.status_code, answer.text)
                await asyncio.sleep(ASK_SECONDS)

    def _sample(self, *, is_judged: bool) -> None:
        now = time.time()
        is_calm = not self.is_acting and now - self.calm_since > CALM_AFTER_SECONDS
        limits = CALM if is_calm else DURING_ACTS
        is_judged = is_judged and self.waited <= MOST_WAIT_SHARE * limits.value
        self.dark.sample(is_dark=bool(self.describe_dark()), now=now)
        if self.sightings is not None:
            self._note_sight(self.sightings, now)
        for screen in self.screens:
            self._note_change(screen, now)
            self.samples += 1
            if screen.ended:
                self.record(Violation(now, "a page stays open", screen.name, screen.ended))
            # The program of a page reports four times a second; a later report means that it had no CPU.
            elif is_judged and now - screen.heard_at < HEARD_SECONDS:
                self._judge(screen, now, limits)
            else:
                self.skipped += 1

    def _note_sight(self, sightings: Sightings, now: float) -> None:
        first = self.screens[0]
        dark = sum(len(screen.dark_rows()) for screen in self.screens)
        age = max(live_age(screen, self.wire, self.keys, now=now) for screen in self.screens)
        sightings.seen.append(Sighting(now, first.label, first.detail, self.health, dark, age))

    def _note_change(self, screen: Screen, now: float) -> None:
        shown = screen.tone, len(screen.dark_rows())
        if self.last_shown.get(screen.name) != shown:
            self.last_shown[screen.name] = shown
            with self.timeline.open("a") as file:
                print(f"{now:.2f}", screen.name, screen.chip, f"{shown[1]} dark rows", sep="\t", file=file)

    def _judge(self, screen: Screen, now: float, limits: Limits) -> None:
        self.judged_values += sum(1 for _ in screen.live_rows())
        for violation in check_screen(screen, self.wire, self.keys, now=now, limits=limits):
            self.record(violation)

    def describe_dark(self) -> Sequence[str]:
        """Return which screens lack required rows, with their chips."""
        return [
            f"{screen.name} ({screen.chip}): {len(screen.dark_rows()) or 'all'} rows"
            for screen in self.screens
            if not screen.required or screen.dark_rows()
        ]

    async def wait_until_settled(self, *, seconds: float = RECOVERY_SECONDS) -> bool:
        """Wait until no required row has been dark for a while; False if that takes longer than `seconds`."""
        until, lit_since = time.monotonic() + seconds, time.monotonic()
        while (now := time.monotonic()) < until:
            if self.describe_dark():
                lit_since = now
            elif now - lit_since > SETTLED_SECONDS:
                return True
            await asyncio.sleep(SAMPLE_SECONDS)
        return False

    async def check_calm(self, *, broker_high_water: int) -> None:
        """Stop the writers, and compare what they were promised and what is wanted with database, log and broker."""
        self.may_write.clear()
        try:
            await wait_until_async(
                lambda: not any(trader.is_writing for trader in self.traders),
                seconds=2 * ANSWER_SECONDS,
                message="every write has ended",
            )
            if await self._is_database_back():
                await self._check_stored()
        finally:
            self.may_write.set()
        for violation in check_limits(self.wire, broker_high_water=broker_high_water, now=time.time()):
            self.record(violation)

    async def _is_database_back(self) -> bool:
        """Return whether the database answers within the time of a recovery; record it if it does not."""
        until = time.monotonic() + QUERY_SECONDS
        while True:
            try:
                self.keys = await self.stack.database.map_keys()
            except psycopg.Error as error:
                if time.monotonic() > until:
                    self.record(Violation(time.time(), "the database answers again", "database", str(error)))
                    return False
                await asyncio.sleep(SAMPLE_SECONDS)
            else:
                return True

    async def _check_stored(self) -> None:
        database = self.stack.database
        names = [trader.name for trader in self.traders]
        stored = await database.read_stored(names, since=datetime.fromtimestamp(self.began_at, UTC))
        now = time.time()
        for violation in self.ledger.check(stored, now=now):
            self.record(violation)
        for sentence in await database.find_overloads():
            self.record(Violation(now, "the database keeps the limits", "database", sentence))
        if missing := await self._wait_for_subscribed():
            detail = f"{len(missing)} of them, the first {min(missing)}"
            self.record(Violation(time.time(), "everything wanted is subscribed", "broker", detail))

    async def _wait_for_subscribed(self) -> frozenset[Key]:
        """Return what is wanted and not subscribed at the broker after the time of a recovery."""
        until = time.monotonic() + QUERY_SECONDS
        while True:
            subscribed = {key for link in self.wire.open_links() for key in link.subscribed}
            missing = await self.stack.database.list_wanted() - subscribed
            if not missing or time.monotonic() > until:
                return missing
            await asyncio.sleep(SAMPLE_SECONDS)
