"""`python -m simulator`: a fake Dhan on two ports, until SIGTERM or Ctrl-C.

Validates the command line and the environment, with a sentence for each error, and runs `server`. It binds loopback by
default and has no TLS, so it cannot be taken for the broker.
"""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from marketdata.dhan.packets import IST_OFFSET_SECONDS
from simulator import faults, server
from simulator.accounts import Credentials
from simulator.demo_listing import Size, make_listing
from simulator.feed_server import PING_EVERY_SECONDS, PONG_WITHIN_SECONDS, FeedRules
from simulator.instrument_files import InstrumentFiles
from simulator.logins import DEFAULT_LOGINS, LoginRules
from simulator.master import MasterError, read_master
from simulator.tokens import DEFAULT_HOURS, totp_now

MAX_PACKETS_PER_SECOND = 100_000  # chosen: 25,000 instruments, four updates a second each (pacing.py)
MAX_PORT = 65_535  # 16 bits (RFC 9293)
EXIT_USAGE = 2  # as argparse exits


class UsageError(Exception):
    """An invalid option or variable; the text names it."""


@dataclass(frozen=True, slots=True)
class Options:
    """The validated command line."""

    host: str
    port: int
    rest_port: int
    credentials: Credentials
    rules: FeedRules
    logins: LoginRules
    today: date
    master: Path | None
    size: Size


def parse_options(arguments: Sequence[str]) -> Options:
    """Return the validated options of `arguments` and the environment. Raises UsageError with a sentence."""
    given = _parser().parse_args(arguments)
    if given.verbose:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    access_token = given.access_token or os.environ.get("SIMULATOR_ACCESS_TOKEN")
    if not access_token:
        raise UsageError("Give an access token with --access-token or SIMULATOR_ACCESS_TOKEN.")
    for option, port in (("--port", given.port), ("--rest-port", given.rest_port)):
        if not 0 <= port <= MAX_PORT:
            raise UsageError(f"{option} {port} is not a port number.")
    if not 1 <= given.rate <= MAX_PACKETS_PER_SECOND:
        raise UsageError(f"--rate {given.rate} is not between 1 and {MAX_PACKETS_PER_SECOND} packets a second.")
    return Options(
        host=given.host,
        port=given.port,
        rest_port=given.rest_port,
        credentials=Credentials(given.client_id, access_token),
        rules=FeedRules(
            rate=given.rate,
            seed=given.seed,
            faults=_faults([*given.fault, *(["stacked"] if given.stacked else [])]),
            token_hours=given.token_hours,
            ping_every_seconds=given.ping_every,
            pong_within_seconds=given.pong_within,
        ),
        logins=LoginRules(given.pin, _base32(given.totp_secret), given.generate_every),
        today=_market_date(given.market_date or os.environ.get("MARKET_DATE")),
        master=given.master,
        size=Size(given.listing),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulator", description="A fake Dhan on the real wire.")
    parser.add_argument("--host", default=server.LOOPBACK, help="address to bind (default: loopback)")
    parser.add_argument("--port", type=int, default=9100, help="live feed; 0 for any free port")
    parser.add_argument("--rest-port", type=int, default=9101, help="REST and instrument files; 0 for any free port")
    parser.add_argument("--client-id", default="1000000001", help="client id of the only account")
    parser.add_argument("--access-token", help="its access token (or SIMULATOR_ACCESS_TOKEN)")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same market")
    parser.add_argument(
        "--rate",
        type=int,
        default=2_000,
        help=f"packets a second over all connections, up to {MAX_PACKETS_PER_SECOND}; at most four for an instrument",
    )
    parser.add_argument("--master", type=Path, help="an instrument file to serve instead of the demo listing")
    parser.add_argument("--market-date", help="replaces today's date, YYYY-MM-DD (or MARKET_DATE)")
    parser.add_argument(
        "--listing",
        choices=[size.value for size in Size],
        default=Size.DEMO.value,
        help="size of the demo listing: about 100,000 instruments, 20,000 (small) or 280,000 (full)",
    )
    parser.add_argument("--stacked", action="store_true", help="short for --fault stacked=50")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME=DIAL",
        help="a fault that is on from the start; repeatable",
    )
    parser.add_argument("--list-faults", action="store_true", help="list every fault with its dial and unit")
    parser.add_argument("--token-hours", type=float, default=DEFAULT_HOURS, help="lifetime of a new access token")
    parser.add_argument("--pin", default=DEFAULT_LOGINS.pin, help="PIN for generating a token")
    parser.add_argument(
        "--totp-secret", default=DEFAULT_LOGINS.totp_secret, help="TOTP secret for generating a token, in base 32"
    )
    parser.add_argument(
        "--generate-every",
        type=float,
        default=DEFAULT_LOGINS.every_seconds,
        help="minimum seconds between two generated tokens",
    )
    parser.add_argument("--ping-every", type=float, default=PING_EVERY_SECONDS, help="seconds between two pings")
    parser.add_argument(
        "--pong-within", type=float, default=PONG_WITHIN_SECONDS, help="seconds until a silent client is dropped"
    )
    parser.add_argument("--verbose", action="store_true", help="log connections")
    return parser


def _faults(texts: Sequence[str]) -> tuple[tuple[str, float], ...]:
    try:
        return tuple(faults.parse(text) for text in texts)
    except faults.FaultError as error:
        raise UsageError(str(error)) from error


def _base32(secret: str) -> str:
    try:
        totp_now(secret, now=0.0)
    except ValueError:
        raise UsageError("--totp-secret is not in base 32.") from None
    return secret


def _market_date(text: str | None) -> date:
    if not text:
        return (datetime.now(UTC) + timedelta(seconds=IST_OFFSET_SECONDS)).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"Market date {text!r} is not a date like 2026-02-10.") from None


def read_files(options: Options) -> InstrumentFiles:
    """Return the listing and its files. Raises MasterError if the given file is not an instrument master."""
    gc.disable()  # Measured: collecting while 200,000 permanent rows are made takes a third of the start.
    try:
        if options.master is None:
            return InstrumentFiles(make_listing(options.today, size=options.size))
        return read_master(options.master, today=options.today)
    finally:
        gc.freeze()
        gc.enable()


async def serve(options: Options, files: InstrumentFiles) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with server.running(
        files,
        options.credentials,
        options.rules,
        today=options.today,
        logins=options.logins,
        host=options.host,
        port=options.port,
        rest_port=options.rest_port,
    ) as simulator:
        print(
            f"Simulator ready: feed {simulator.feed_url}, REST {simulator.rest_url}, "
            f"{len(files.listing)} instruments, {options.rules.rate:g} packets/s.",
            flush=True,
        )
        await stopping.wait()


def main(arguments: Sequence[str]) -> int:
    """Run the simulator; return the exit code."""
    if "--list-faults" in arguments:
        print(faults.describe_all())
        return 0
    for number in (signal.SIGTERM, signal.SIGINT):  # A shell starts background jobs with SIGINT ignored.
        signal.signal(number, signal.default_int_handler)  # Until it serves, both raise KeyboardInterrupt.
    # Expected errors are one sentence on stderr; others show their traceback.
    try:
        options = parse_options(arguments)
        files = read_files(options)
        asyncio.run(serve(options, files))
    except (UsageError, MasterError, server.CannotListenError) as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return 0  # Stopped before it began to serve.
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
