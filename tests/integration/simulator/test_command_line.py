"""`python -m simulator` as a program: invalid options, signals, and a given instrument file."""

import gzip
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from simulator.faults import REGISTRY
from tests.processes import REPOSITORY, PythonProcess
from tests.simulators import (
    ACCESS_TOKEN,
    EVERYDAY_FAULTS,
    PLAIN_HTTP,
    READY,
    SimulatorAddress,
    running_simulator,
)
from tests.waiting import wait_until

ANY_PORTS = ["--port", "0", "--rest-port", "0"]
TOKEN = ["--access-token", "sim-token"]
SECONDS = 30
LONGEST_STOP_SECONDS = 1.0
"""Measured: a stop takes 0.2 s; the rest is a margin for a busy machine."""


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Return the file with the output and the errors of the started simulator."""
    return tmp_path / "output"


@pytest.fixture(scope="module")
def everyday() -> Iterator[SimulatorAddress]:
    """Yield a simulator as the suite uses it, for tests that do not change it."""
    with running_simulator() as simulator:
        yield simulator


def start(output: Path, *arguments: str) -> PythonProcess:
    environment = {
        name: value for name, value in os.environ.items() if name not in {"SIMULATOR_ACCESS_TOKEN", "MARKET_DATE"}
    }
    return PythonProcess("simulator", [*ANY_PORTS, *arguments], environment=environment, output=output)


def wait_for_ready_line(output: Path) -> re.Match[str]:
    wait_until(lambda: READY.search(output.read_text()) is not None, seconds=SECONDS, message="the simulator is ready")
    ready = READY.fullmatch(output.read_text().removeprefix("Simulator ready: "))
    assert ready is not None
    return ready


def active_faults(simulator: SimulatorAddress) -> dict[str, float]:
    """Return the dial of each active fault; every fault is listed."""
    listed = httpx.get(f"{simulator.control_url}/faults", trust_env=False, verify=PLAIN_HTTP).json()
    assert [one["name"] for one in listed] == list(REGISTRY)
    return {one["name"]: one["dial"] for one in listed if one["dial"] is not None}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Give an access token with --access-token or SIMULATOR_ACCESS_TOKEN."),
        ([*TOKEN, "--rate", "100001"], "--rate 100001 is not between 1 and 100000 packets a second."),
        ([*TOKEN, "--rate", "0"], "--rate 0 is not between 1 and 100000 packets a second."),
        ([*TOKEN, "--port", "70000"], "--port 70000 is not a port number."),
        ([*TOKEN, "--fault", "gremlins=1"], "Unknown fault 'gremlins'; --list-faults lists all faults."),
        ([*TOKEN, "--fault", "mute=loud"], "The dial of mute must be a number (1: on)."),
        ([*TOKEN, "--fault", "stacked=0"], "The dial of stacked must be between 1 and 300 (packets in a message)."),
        ([*TOKEN, "--fault", "disconnect_code=805"], "disconnect_code applies to open sockets once; before the start"),
        ([*TOKEN, "--totp-secret", "1"], "--totp-secret is not in base 32."),
        ([*TOKEN, "--market-date", "10.02.2026"], "Market date '10.02.2026' is not a date like 2026-02-10."),
        ([*TOKEN, "--master", "/nowhere.csv"], "/nowhere.csv cannot be read: No such file or directory."),
        ([*TOKEN, "--master", "manage.py"], "manage.py is not an instrument master. The first line is no header"),
    ],
)
def test_invalid_options_are_refused_with_a_message(output: Path, arguments: list[str], sentence: str) -> None:
    assert start(output, *arguments).wait(SECONDS) == 2

    assert output.read_text().startswith(sentence)
    assert len(output.read_text().splitlines()) == 1


def test_the_printed_list_of_faults_is_the_registry() -> None:
    """No token is needed, because nothing is served. A new interpreter: the other tests share imported libraries."""
    command = [sys.executable, "-m", "simulator", "--list-faults"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=SECONDS, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert [line.split()[0] for line in ended.stdout.splitlines()] == list(REGISTRY)


TESTS_OF_FAULTS = ("test_faults.py", "test_packet_faults.py", "test_answer_faults.py")


def test_every_fault_is_tested_on_the_wire() -> None:
    tests = [Path(__file__).with_name(name).read_text() for name in TESTS_OF_FAULTS]
    switched = {name for text in tests for name in re.findall(r'"(\w+)"', text)} | {"handshake_400", "handshake_429"}

    assert switched >= set(REGISTRY)


def test_no_fault_is_active_by_default() -> None:
    with running_simulator(faults={}) as simulator:
        assert active_faults(simulator) == {}


def test_the_simulator_of_the_suite_has_some_faults_active(everyday: SimulatorAddress) -> None:
    assert active_faults(everyday) == EVERYDAY_FAULTS


def test_faults_of_the_command_line_are_active_from_the_start() -> None:
    with running_simulator(faults={"stacked": 3, "ltt_zero": 0.25}) as simulator:
        assert active_faults(simulator) == {"stacked": 3, "ltt_zero": 0.25}

        simulator.clear_faults()
        assert active_faults(simulator) == {}


def test_the_error_for_an_occupied_port_names_the_port(everyday: SimulatorAddress, output: Path) -> None:
    port = everyday.feed_url.rsplit(":", 1)[1]

    assert start(output, *TOKEN, "--listing", "small", "--port", port).wait(SECONDS) == 2

    assert output.read_text() == f"Cannot listen on 127.0.0.1:{port}: Address already in use.\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_simulator_cleanly(output: Path, number: signal.Signals) -> None:
    process = start(output, *TOKEN, "--listing", "small")
    wait_for_ready_line(output)

    process.send_signal(number)

    assert process.wait(SECONDS) == 0
    assert len(output.read_text().splitlines()) == 1


def test_a_signal_ends_the_simulator_at_once_with_clients_connected(output: Path) -> None:
    """The clients: a streaming feed, an idle keep-alive connection, and a download that the client stopped reading."""
    process = start(output, *TOKEN, "--rate", "20000")
    feed_url, rest_url = wait_for_ready_line(output).groups()
    nifty = [{"ExchangeSegment": "IDX_I", "SecurityId": "13"}]

    with (
        connect(f"{feed_url}/?version=2&token=sim-token&clientId=1000000001&authType=2", proxy=None) as feed,
        httpx.Client(trust_env=False, verify=PLAIN_HTTP, timeout=SECONDS) as http,
        http.stream("GET", f"{rest_url}/api-data/api-scrip-master.csv") as download,
    ):
        feed.send(json.dumps({"RequestCode": 21, "InstrumentCount": 1, "InstrumentList": nifty}))
        assert isinstance(feed.recv(timeout=SECONDS), bytes)
        assert http.get(f"{rest_url}/_sim/connections").is_success
        chunks = download.iter_raw()
        assert next(chunks)
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONGEST_STOP_SECONDS) == 0

    assert len(output.read_text().splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_ends_the_simulator_cleanly(
    tmp_path: Path, output: Path, number: signal.Signals
) -> None:
    pipe = tmp_path / "master.csv"
    os.mkfifo(pipe)
    process = start(output, *TOKEN, "--master", str(pipe))

    with pipe.open("wb"):  # Opening the pipe blocks until the simulator starts to read.
        process.send_signal(number)
        assert process.wait(SECONDS) == 0

    assert output.read_text() == ""


def test_a_truncated_instrument_file_is_refused(tmp_path: Path, everyday: SimulatorAddress, output: Path) -> None:
    master = tmp_path / "master.csv"
    whole = httpx.get(everyday.instruments_url, trust_env=False, verify=PLAIN_HTTP).text
    master.write_text(whole[:-40])

    assert start(output, *TOKEN, "--master", str(master)).wait(SECONDS) == 2

    assert "The file is cut off" in output.read_text()


def write_tenth(master: Path, tenth: Path) -> None:
    """Write the header, every row about the instruments of the test, and one in ten of the others."""
    named = re.compile(rb",I,|NIFTY-|SENSEX-|,RELIANCE,")
    with gzip.open(master) as whole, gzip.open(tenth, "wb", compresslevel=1) as file:
        file.writelines(line for number, line in enumerate(whole) if number % 10 == 0 or named.search(line))


def test_a_given_instrument_file_is_served_byte_for_byte_and_priced(reference_data: Path, tmp_path: Path) -> None:
    """The real file of 10 Feb 2026 with the clock set to that day: ATM is in the middle of its chains."""
    master = tmp_path / "master.csv.gz"
    write_tenth(reference_data / "api-scrip-master-2026-02-10.csv.gz", master)
    headers = {"access-token": ACCESS_TOKEN, "client-id": "1000000001"}

    with (
        running_simulator(master=master, market_date=date(2026, 2, 10)) as simulator,
        httpx.Client(trust_env=False, verify=PLAIN_HTTP, headers=headers, timeout=SECONDS) as http,
    ):
        served = hashlib.sha256(http.get(simulator.instruments_url).content).hexdigest()
        other = http.get(simulator.instruments_url.replace(".csv", "-detailed.csv"))
        body = {"IDX_I": [13, 25, 51], "NSE_EQ": [2885], "NSE_FNO": [48236]}
        prices = http.post(f"{simulator.rest_url}/marketfeed/ltp", json=body).json()["data"]
        chain = {"UnderlyingScrip": 13, "UnderlyingSeg": "IDX_I"}
        expiries = http.post(f"{simulator.rest_url}/optionchain/expirylist", json=chain).json()["data"]

    with gzip.open(master) as file:
        assert served == hashlib.sha256(file.read()).hexdigest()
    assert other.status_code == 404
    assert other.text == "This simulator serves a compact master; a detailed one is not available."
    assert prices["IDX_I"]["13"]["last_price"] == pytest.approx(25_900, rel=0.03)
    assert prices["IDX_I"]["25"]["last_price"] == pytest.approx(60_000, rel=0.03)
    assert prices["IDX_I"]["51"]["last_price"] == pytest.approx(84_000, rel=0.03)
    assert prices["NSE_EQ"]["2885"]["last_price"] == pytest.approx(1_400, rel=0.05)
    assert 0 < prices["NSE_FNO"]["48236"]["last_price"] < 500
    assert expiries[:4] == ["2026-02-10", "2026-02-17", "2026-02-24", "2026-03-02"]
