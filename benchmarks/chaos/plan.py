"""The acts of a run and the seeded plan: two at a time, every act as often as the others. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

SOCKETS: Final = 5
MOST_OFFSET_SECONDS: Final = 4.0  # chosen: the second act comes before, while or after the first is noticed


class Method(StrEnum):
    """What an act does."""

    KILL = "kill"  # SIGKILL
    FREEZE = "freeze"  # SIGSTOP, later SIGCONT
    FAULT = "fault"  # a fault of the simulator, switched on for a time or applied once
    TOKEN = "token"  # noqa: S105  every token is refused until staff enter a new one


@dataclass(frozen=True, slots=True)
class Act:
    """A kind of act. `subject` is the process, or the fault of the simulator."""

    name: str
    method: Method
    subject: str = ""
    seconds: tuple[float, float] = (0.0, 0.0)
    """Shortest and longest duration; zero for an act that happens once."""
    dials: tuple[float, ...] = (1,)
    is_for_one: bool = False
    """Whether it may be for a single socket."""
    resets: bool = False
    """Whether a socket is reset at its beginning, so that the fault meets the next handshake."""


@dataclass(frozen=True, slots=True)
class PlannedAct:
    """An act with its chosen parameters; `socket` is the n-th of the broker's, None for all."""

    act: Act
    offset: float
    seconds: float
    dial: float
    socket: int | None

    @property
    def title(self) -> str:
        """The name, with the sockets of an act that may be for one."""
        if not self.act.is_for_one:
            return self.act.name
        return f"{self.act.name}, {'all sockets' if self.socket is None else 'one socket'}"

    def __str__(self) -> str:
        details = [f"dial {self.dial:g}"] if self.act.method is Method.FAULT else []
        details += [f"socket {self.socket}"] if self.socket else []
        details += [f"{self.seconds:.0f} s"] if self.seconds else []
        return f"{self.act.name} ({', '.join([*details, f'after {self.offset:.1f} s'])})"


PROCESSES: Final = ("feed", "web", "work", "beat", "redis", "postgres")
_FREEZES: Final = {"feed": 15.0, "web": 20.0}  # longest; above the 10 s after which the supervisor ends them


def _fault(name: str, *dials: float, seconds: tuple[float, float] = (8.0, 16.0), is_for_one: bool = False) -> Act:
    return Act(name, Method.FAULT, name, seconds, dials or (1,), is_for_one=is_for_one)


def _at_handshake(name: str, *dials: float, seconds: tuple[float, float] = (8.0, 16.0)) -> Act:
    return Act(f"{name}, reset", Method.FAULT, name, seconds, dials, resets=True)


ACTS: Final[Sequence[Act]] = (
    *(Act(f"kill {name}", Method.KILL, name) for name in PROCESSES),
    *(Act(f"freeze {name}", Method.FREEZE, name, (2.0, _FREEZES.get(name, 10.0))) for name in PROCESSES),
    # Sockets that carry nothing, too little, or late; and sockets that end.
    _fault("mute", is_for_one=True),
    _fault("half_open", is_for_one=True),
    _fault("stall_one"),
    _fault("burst_then_silence", 2, is_for_one=True),
    _fault("slow_drip", 200, 2_000, seconds=(20.0, 30.0), is_for_one=True),
    _fault("delayed_feed", 2, 5, 8, seconds=(12.0, 20.0), is_for_one=True),
    _fault("tcp_reset", 0, seconds=(0.0, 0.0), is_for_one=True),
    _fault("close_without_frame", 0, seconds=(0.0, 0.0), is_for_one=True),
    # 804, 806, 808 and 810 are left out: the terminal then waits for a person.
    _fault("disconnect_code", 800, 805, seconds=(0.0, 0.0), is_for_one=True),
    # Handshakes.
    _at_handshake("handshake_400", 1, 3),
    _at_handshake("handshake_429", 1, seconds=(4.0, 8.0)),
    _at_handshake("first_reconnect_refused", 1),
    _at_handshake("old_slot_held", 12, seconds=(12.0, 20.0)),
    Act("token refused", Method.TOKEN, "auth_shape", (4.0, 10.0), (1, 2, 3, 4, 807, 809)),
    # Packets: shares of the broker's bad days.
    *(
        _fault(name, 0.01, 0.05, is_for_one=True)
        for name in ("truncated", "concatenated", "oversized", "unknown_packets", "ltt_zero", "duplicates")
    ),
    *(_fault(name, 0.003, 0.011, is_for_one=True) for name in ("nan_price", "zero_price", "negative_price")),
    _fault("out_of_order", 0.01, 0.05, is_for_one=True),
    _fault("stacked", 2, 50, is_for_one=True),
    _fault("volume_wrap", 20, seconds=(0.0, 0.0)),
    # Subscriptions.
    _fault("late_after_unsubscribe", 3),
    _fault("unsubscribe_ignored"),
    _fault("no_snapshot"),
    # Answers of REST.
    *(
        _fault(f"rest_{name}", 1, -1)
        for name in (
            *("null", "missing", "text", "nan", "infinity", "negative", "huge", "list"),
            *("null_sides", "short_depth", "long_depth", "iso_time"),
        )
    ),
    *(_fault(f"rest_{name}") for name in ("unknown_segment", "no_data", "no_json")),
    _fault("rest_status", 429, 500, 503),
)


def choose_acts(names: Sequence[str]) -> Sequence[Act]:
    """Return the acts whose name contains one of `names`, all without any. Raises ValueError for a name of none."""
    for name in names:
        if not any(name in act.name for act in ACTS):
            raise ValueError(f"no act is called {name!r}; there are: {', '.join(act.name for act in ACTS)}")
    return [act for act in ACTS if not names or any(name in act.name for name in names)]


def plan_rounds(acts: Sequence[Act], *, seed: int) -> Iterator[Sequence[PlannedAct]]:
    """Yield the acts of one round after another: two, or one if only one is chosen."""
    random = Random(seed)
    waiting: list[Act] = []
    while True:
        chosen: list[Act] = []
        while len(chosen) < min(2, len(acts)):
            if not waiting:
                waiting = random.sample(acts, len(acts))
            act = waiting.pop(0)
            # The simulator has each fault once; two acts with one subject would be one.
            if any(one.name == act.name for one in chosen):
                waiting.append(act)
                continue
            chosen.append(act)
        yield [_draw(act, random) for act in chosen]


def plan_each(acts: Sequence[Act]) -> Iterator[Sequence[PlannedAct]]:
    """Yield each act alone with its longest time and its last dial, for all sockets and then, where it may, for one."""
    for act in acts:
        for socket in (None, 1) if act.is_for_one else (None,):
            yield [PlannedAct(act, offset=0.0, seconds=act.seconds[1], dial=act.dials[-1], socket=socket)]


def _draw(act: Act, random: Random) -> PlannedAct:
    return PlannedAct(
        act=act,
        offset=random.uniform(0.0, MOST_OFFSET_SECONDS),
        seconds=random.uniform(*act.seconds),
        dial=random.choice(act.dials),
        socket=random.choice([None, *range(1, SOCKETS + 1)]) if act.is_for_one else None,
    )
