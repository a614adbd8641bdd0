"""The source of market data: the simulator's demo listing, the simulator with a given master, or a Dhan account.

Each source has a separate database and Redis prefix, because its security ids mean nothing in another. A master on
another market date is another source.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import DevstackError

SIMULATED_CLIENT_ID = "1000000001"
# The broker's names of its two instrument files. The simulator serves both for the demo listing; for a given master it
# serves the file of the same layout only.
COMPACT_FILE = "api-scrip-master.csv"
DETAILED_FILE = "api-scrip-master-detailed.csv"


@dataclass(frozen=True, slots=True)
class Source:
    name: str  # for messages
    key: str  # part of the database's name, and the Redis prefix
    is_simulated: bool
    master: Path | None = None
    instrument_file: str = DETAILED_FILE

    @property
    def database(self) -> str:
        return f"broking_{self.key}"

    @property
    def redis_prefix(self) -> str:
        return self.key.replace("_", "-")


def choose_source(environ: Mapping[str, str]) -> Source:
    """Return the source named by the environment. Raises DevstackError if variables contradict one another."""
    client_id = environ.get("DHAN_CLIENT_ID", "")
    # Instead of an access token, PIN and TOTP secret suffice: the product then generates one.
    login = environ.get("DHAN_ACCESS_TOKEN", "") or environ.get("DHAN_PIN", "")
    if bool(client_id) != bool(login):
        raise DevstackError(
            "DHAN_CLIENT_ID and DHAN_ACCESS_TOKEN (or DHAN_PIN and DHAN_TOTP_SECRET) go together: set both, or "
            "neither for the simulator."
        )
    master = environ.get("SIMULATOR_MASTER", "")
    if client_id:
        if master:
            raise DevstackError("SIMULATOR_MASTER has no effect with Dhan credentials; unset one of them.")
        return Source(name="Dhan", key=f"dhan_{_digest(client_id.encode())}", is_simulated=False)
    if master:
        return _source_of_master(Path(master).expanduser(), environ.get("MARKET_DATE", ""))
    return Source(name="the simulator's own listing", key="demo", is_simulated=True)


def _source_of_master(master: Path, market_date: str) -> Source:
    if not master.is_file():
        raise DevstackError(f"SIMULATOR_MASTER names {master}, which is not a file.")
    # The content and not the path: an edited master has other ids, a moved one has not.
    content = hashlib.sha256(market_date.encode())
    with master.open("rb") as file:
        while block := file.read(1 << 20):
            content.update(block)
    return Source(
        name=f"the simulator with {master.name}",
        key=f"master_{content.hexdigest()[:8]}",
        is_simulated=True,
        master=master.resolve(),
        instrument_file=COMPACT_FILE if _is_compact(master) else DETAILED_FILE,
    )


def _is_compact(master: Path) -> bool:
    """Return whether a master, plain or gzip, has the compact layout. The simulator rejects unknown layouts."""
    with master.open("rb") as file:
        start = file.read(4)
    try:
        with gzip.open(master) if start.startswith(b"\x1f\x8b") else master.open("rb") as file:
            return b"SEM_" in file.read(16)
    except (OSError, EOFError) as error:
        raise DevstackError(f"SIMULATOR_MASTER names {master}, which cannot be read: {error}.") from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]


def source_variables(
    source: Source, environ: Mapping[str, str], *, feed_port: int, rest_port: int, token: str
) -> dict[str, str]:
    """Return the settings with which the product connects to its broker."""
    prefix = {"REDIS_PREFIX": environ.get("REDIS_PREFIX") or source.redis_prefix}
    if not source.is_simulated:
        return prefix
    rest = f"http://127.0.0.1:{rest_port}"
    return prefix | {
        "DHAN_FEED_URL": environ.get("SIMULATOR_FEED_URL") or f"ws://127.0.0.1:{feed_port}",
        "DHAN_REST_URL": f"{rest}/v2",
        "DHAN_INSTRUMENTS_URL": f"{rest}/api-data/{source.instrument_file}",
        "DHAN_CLIENT_ID": SIMULATED_CLIENT_ID,
        "DHAN_ACCESS_TOKEN": token,
        "DHAN_OPEN_INTERVAL_MS": environ.get("DHAN_OPEN_INTERVAL_MS", "0"),
    }
