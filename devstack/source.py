"""Which source of market data this run is for, and what follows from that.

Each source has a database and a Redis prefix of its own, so that ids of one never
meet ids of another: the simulator's own listing, the simulator with a given master on a
given date, or a Dhan account.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import DevstackError

SIMULATED_CLIENT_ID = "1000000001"
# The broker's names of its two instrument files. The simulator serves both of its own listing; of a master that it
# is given, only the one of its layout.
COMPACT_FILE = "api-scrip-master.csv"
DETAILED_FILE = "api-scrip-master-detailed.csv"


@dataclass(frozen=True, slots=True)
class Source:
    name: str  # as a person would say it
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
    """Return the source that the environment asks for; raise if it contradicts itself."""
    client_id = environ.get("DHAN_CLIENT_ID", "")
    # With the PIN and the TOTP secret a token is generated.
    login = environ.get("DHAN_ACCESS_TOKEN", "") or environ.get("DHAN_PIN", "")
    if bool(client_id) != bool(login):
        raise DevstackError(
            "DHAN_CLIENT_ID and DHAN_ACCESS_TOKEN (or DHAN_PIN and DHAN_TOTP_SECRET) go together: set both, or "
            "neither for the simulator."
        )
    master = environ.get("SIMULATOR_MASTER", "")
    if client_id:
        if master:
            raise DevstackError("SIMULATOR_MASTER is for the simulator; with Dhan credentials there is none.")
        return Source(name="Dhan", key=f"dhan_{_digest(client_id.encode())}", is_simulated=False)
    if master:
        return _source_of_master(Path(master).expanduser(), environ.get("MARKET_DATE", ""))
    return Source(name="the simulator's own listing", key="demo", is_simulated=True)


def _source_of_master(master: Path, market_date: str) -> Source:
    if not master.is_file():
        raise DevstackError(f"SIMULATOR_MASTER names {master}, which is not a file.")
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
    """Whether a master, plain or gzip, is of the compact layout; the simulator refuses what is neither."""
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
    """Return the settings by which the product finds its broker."""
    prefix = {"REDIS_PREFIX": environ.get("REDIS_PREFIX") or source.redis_prefix}
    if not source.is_simulated:
        return prefix
    rest = f"http://127.0.0.1:{rest_port}"
    return prefix | {
        "DHAN_FEED_URL": f"ws://127.0.0.1:{feed_port}",
        "DHAN_REST_URL": f"{rest}/v2",
        "DHAN_INSTRUMENTS_URL": f"{rest}/api-data/{source.instrument_file}",
        "DHAN_CLIENT_ID": SIMULATED_CLIENT_ID,
        "DHAN_ACCESS_TOKEN": token,
        "DHAN_OPEN_INTERVAL_MS": environ.get("DHAN_OPEN_INTERVAL_MS", "0"),
    }
