"""A simulator in a separate process for tests that need the broker: started on free ports, stopped at the end."""

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import httpx

from tests.processes import PythonProcess
from tests.waiting import wait_until

PLAIN_HTTP = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of a simulator, which has no TLS. By default httpx loads the certificate authorities, in 30 ms of CPU."""
READY = re.compile(r"feed (ws://\S+), REST (http://\S+)/v2,.*\n")
START_SECONDS = 60.0
"""chosen: a start takes a second, and many times that on a busy machine"""
STOP_SECONDS = 10.0
ACCESS_TOKEN = os.environ.get("SUITE_ACCESS_TOKEN", "sim-token")
"""Valid only for these simulators; `tests.canary` sets another one."""

EVERYDAY_FAULTS: Mapping[str, float] = {
    "stacked": 2,
    "concatenated": 0.05,
    "duplicates": 0.02,
    "unknown_packets": 0.02,
    "ltt_zero": 0.01,
}
"""Behavior that the broker's protocol permits and a client must tolerate. Active in every test that does not override
it, so that no code relies on a better broker. Harmless by choice: no price is wrong."""


@dataclass(frozen=True, slots=True)
class SimulatorAddress:
    """The addresses of a running simulator, and its credentials."""

    feed_url: str
    """`ws://host:port`, to which the query is added."""
    rest_url: str
    """`http://host:port/v2`."""
    control_url: str
    """`http://host:port/_sim`: `/connections`, `/subscribed`, `/faults` and `/token`."""
    instruments_url: str
    """`http://host:port/api-data/api-scrip-master.csv`."""
    client_id: str
    access_token: str
    process_id: int

    def set_fault(self, name: str, dial: float = 1, connection: int | None = None) -> None:
        """Switch a fault on, for the n-th open socket (from 1, oldest first) or for all."""
        self._ask("PUT", f"/faults/{name}", {"dial": dial, "connection": connection})

    def clear_fault(self, name: str) -> None:
        """Switch one fault off."""
        self._ask("DELETE", f"/faults/{name}")

    def clear_faults(self) -> None:
        """Switch every fault off, including the initial ones."""
        self._ask("DELETE", "/faults")

    def connections(self) -> dict[str, Any]:
        """Return the open sockets, the number opened so far, and the most open at a time (`high_water`)."""
        found: dict[str, Any] = self._ask("GET", "/connections")
        return found

    def new_token(self, *, hours: float = 24.0) -> str:
        """Return a new access token, as from the broker's web page; it invalidates the previous one."""
        return str(self._ask("POST", "/token", {"hours": hours})["access_token"])

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        url = f"{self.control_url}{path}"
        answer = httpx.request(method, url, json=body, trust_env=False, verify=PLAIN_HTTP, timeout=STOP_SECONDS)
        assert answer.is_success, answer.text
        return answer.json()


@contextmanager
def running_simulator(
    *,
    seed: int = 7,
    rate: int = 2_000,
    client_id: str = "1000000001",
    access_token: str = ACCESS_TOKEN,
    master: Path | None = None,
    market_date: date | None = None,
    small: bool = True,
    port: int = 0,
    rest_port: int = 0,
    token_hours: float = 24.0,
    generate_every: float = 120.0,
    faults: Mapping[str, float] | None = None,
    ping_every: float = 10.0,
    pong_within: float = 40.0,
    log: Path | None = None,
) -> Iterator[SimulatorAddress]:
    """Yield the address of a new simulator; `small` lists few stocks and starts in a second.

    Starts with `faults` (names with dials), by default EVERYDAY_FAULTS; `{}` is a broker without faults. Its verbose
    log goes to `log`.
    """
    arguments = ["--port", str(port), "--rest-port", str(rest_port), "--client-id", client_id]
    arguments += ["--seed", str(seed), "--rate", str(rate), *(["--verbose"] if log else [])]
    arguments += ["--master", str(master)] if master else ["--listing", "small" if small else "demo"]
    arguments += ["--market-date", market_date.isoformat()] if market_date else []
    arguments += ["--token-hours", str(token_hours), "--generate-every", str(generate_every)]
    arguments += [
        part
        for name, dial in (EVERYDAY_FAULTS if faults is None else faults).items()
        for part in ("--fault", f"{name}={dial:g}")
    ]
    arguments += ["--ping-every", str(ping_every), "--pong-within", str(pong_within)]
    environment = {name: value for name, value in os.environ.items() if name != "MARKET_DATE"}
    # Not as an argument: every user of the machine can read those.
    environment["SIMULATOR_ACCESS_TOKEN"] = access_token
    with ExitStack() as ended:
        output = log or Path(ended.enter_context(NamedTemporaryFile(prefix="simulator-", suffix=".log")).name)
        process = PythonProcess("simulator", arguments, environment=environment, output=output)
        ended.callback(process.wait, STOP_SECONDS)
        ended.callback(process.kill)
        yield _address(process, output, client_id=client_id, access_token=access_token)


def _address(process: PythonProcess, output: Path, *, client_id: str, access_token: str) -> SimulatorAddress:
    def find_ready_line() -> re.Match[str] | None:
        return READY.search(output.read_text(errors="replace"))

    wait_until(
        lambda: find_ready_line() is not None or process.poll() is not None,
        seconds=START_SECONDS,
        message="the simulator is ready",
    )
    ready = find_ready_line()
    if ready is None:
        raise RuntimeError(f"the simulator did not start: {output.read_text(errors='replace')}")
    feed_url, host_url = ready.groups()
    return SimulatorAddress(
        feed_url=feed_url,
        rest_url=f"{host_url}/v2",
        control_url=f"{host_url}/_sim",
        instruments_url=f"{host_url}/api-data/api-scrip-master.csv",
        client_id=client_id,
        access_token=access_token,
        process_id=process.pid,
    )
