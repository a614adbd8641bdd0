"""`python -m simulator` as a program: invalid options, signals, and a given instrument file."""

import gzip
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from simulator.faults import REGISTRY
from tests.processes import REPOSITORY
from tests.simulators import ACCESS_TOKEN, EVERYDAY_FAULTS, READY, running_simulator

COMMAND = [sys.executable, "-m", "simulator", "--port", "0", "--rest-port", "0"]
TOKEN = ["--access-token", "sim-token"]
SECONDS = 30
LONGEST_STOP_SECONDS = 1.0
"""Measured: a stop takes 0.2 s; the rest is a margin for a busy machine."""


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        name: value for name, value in os.environ.items() if name not in {"SIMULATOR_ACCESS_TOKEN", "MARKET_DATE"}
    }
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def start(*arguments: str) -> "subprocess.Popen[str]":
    command = [*COMMAND, *TOKEN, *arguments]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Give an access token with --access-token or SIMULATOR_ACCESS_TOKEN."),
        ([*TOKEN, "--rate", "20001"], "--rate 20001 is not between 1 and 20000 packets a second."),
        ([*TOKEN, "--rate", "0"], "--rate 0 is not between 1 and 20000 packets a second."),
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
def test_invalid_options_are_refused_with_a_message(arguments: list[str], sentence: str) -> None:
    ended = run(*arguments)

    assert ended.returncode == 2
    assert ended.stderr.startswith(sentence)
    assert len(ended.stderr.splitlines()) == 1


def test_the_printed_list_of_faults_is_the_registry() -> None:
    """No token is needed, because nothing is served."""
    ended = run("--list-faults")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert [line.split()[0] for line in ended.stdout.splitlines()] == list(REGISTRY)


TESTS_OF_FAULTS = ("test_faults.py", "test_packet_faults.py", "test_answer_faults.py")


def test_every_fault_is_tested_on_the_wire() -> None:
    tests = [Path(__file__).with_name(name).read_text() for name in TESTS_OF_FAULTS]
    switched = {name for text in tests for name in re.findall(r'"(\w+)"', text)} | {"handshake_400", "handshake_429"}

    assert switched >= set(REGISTRY)


def test_no_fault_is_active_by_default() -> None:
    with running_simulator(faults={}) as simulator:
        listed = httpx.get(f"{simulator.control_url}/faults", trust_env=False).json()

    assert [one["name"] for one in listed] == list(REGISTRY)
    assert {one["dial"] for one in listed} == {None}


def test_the_simulator_of_the_suite_has_some_faults_active() -> None:
    with running_simulator() as simulator:
        listed = httpx.get(f"{simulator.control_url}/faults", trust_env=False).json()

    assert {one["name"]: one["dial"] for one in listed if one["dial"] is not None} == EVERYDAY_FAULTS


def test_faults_of_the_command_line_are_active_from_the_start() -> None:
    with running_simulator(faults={"stacked": 3, "ltt_zero": 0.25}) as simulator:
        listed = httpx.get(f"{simulator.control_url}/faults", trust_env=False).json()
        assert {one["name"]: one["dial"] for one in listed if one["dial"] is not None} == {
            "stacked": 3,
            "ltt_zero": 0.25,
        }

        simulator.clear_faults()
        listed = httpx.get(f"{simulator.control_url}/faults", trust_env=False).json()
        assert {one["dial"] for one in listed} == {None}


def test_the_error_for_an_occupied_port_names_the_port() -> None:
    with running_simulator() as simulator:
        port = simulator.feed_url.rsplit(":", 1)[1]

        ended = run(*TOKEN, "--listing", "small", "--port", port)

    assert ended.returncode == 2
    assert ended.stderr == f"Cannot listen on 127.0.0.1:{port}: Address already in use.\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_simulator_cleanly(number: signal.Signals) -> None:
    process = start("--listing", "small")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("Simulator ready: feed ws://127.0.0.1:")

    process.send_signal(number)
    _, errors = process.communicate(timeout=SECONDS)

    assert (process.returncode, errors) == (0, "")


def test_a_signal_ends_the_simulator_at_once_with_clients_connected() -> None:
    """The clients: a streaming feed, an idle keep-alive connection, and a download that the client stopped reading."""
    process = start("--rate", "20000")
    assert process.stdout is not None
    ready = READY.search(process.stdout.readline())
    assert ready is not None
    feed_url, rest_url = ready.groups()
    nifty = [{"ExchangeSegment": "IDX_I", "SecurityId": "13"}]

    with (
        connect(f"{feed_url}/?version=2&token=sim-token&clientId=1000000001&authType=2", proxy=None) as feed,
        httpx.Client(trust_env=False, timeout=SECONDS) as http,
        http.stream("GET", f"{rest_url}/api-data/api-scrip-master.csv") as download,
    ):
        feed.send(json.dumps({"RequestCode": 21, "InstrumentCount": 1, "InstrumentList": nifty}))
        assert isinstance(feed.recv(timeout=SECONDS), bytes)
        assert http.get(f"{rest_url}/_sim/connections").is_success
        chunks = download.iter_raw()
        assert next(chunks)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=LONGEST_STOP_SECONDS)

    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_ends_the_simulator_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    pipe = tmp_path / "master.csv"
    os.mkfifo(pipe)
    process = start("--master", str(pipe))

    with pipe.open("wb"):  # Opening the pipe blocks until the simulator starts to read.
        process.send_signal(number)
        output, errors = process.communicate(timeout=SECONDS)

    assert (process.returncode, output, errors) == (0, "", "")


def test_a_truncated_instrument_file_is_refused(tmp_path: Path) -> None:
    master = tmp_path / "master.csv"
    with running_simulator() as simulator:
        whole = httpx.get(simulator.instruments_url, trust_env=False).text
    master.write_text(whole[:-40])

    ended = run(*TOKEN, "--master", str(master))

    assert ended.returncode == 2
    assert "The file is cut off" in ended.stderr


def test_a_given_instrument_file_is_served_byte_for_byte_and_priced(reference_data: Path) -> None:
    """The real file of 10 Feb 2026 with the clock set to that day: ATM is in the middle of its chains."""
    master = reference_data / "api-scrip-master-2026-02-10.csv.gz"
    headers = {"access-token": ACCESS_TOKEN, "client-id": "1000000001"}

    with (
        running_simulator(master=master, market_date=date(2026, 2, 10)) as simulator,
        httpx.Client(trust_env=False, headers=headers, timeout=SECONDS) as http,
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
