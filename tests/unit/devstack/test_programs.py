"""The command lines of the stack."""

from pathlib import Path

import pytest

from devstack.errors import DevstackError
from devstack.programs import Launcher, beat, feed_worker, simulator, web, web_processes, work_worker
from devstack.source import choose_source


def launcher(**environment: str) -> Launcher:
    return Launcher(root=Path("/srv/checkout"), logs=Path("/srv/logs"), environment=environment)


def test_every_process_runs_as_a_module() -> None:
    shop = launcher()
    source = choose_source({})

    programs = [feed_worker(shop), work_worker(shop), beat(shop), web(shop, host="127.0.0.1", port=8_000)]
    programs.append(simulator(shop, source, feed_port=1, rest_port=2))

    assert {program.arguments[1] for program in programs} == {"-m"}


def test_browser_frames_are_not_compressed() -> None:
    arguments = " ".join(web(launcher(), host="127.0.0.1", port=8_000).arguments)

    assert "--ws websockets-sansio --ws-per-message-deflate false" in arguments


def test_daphne_serves_if_the_environment_selects_it() -> None:
    arguments = web(launcher(ASGI_SERVER="daphne"), host="127.0.0.1", port=8_000).arguments

    assert list(arguments[2:7]) == ["daphne", "-b", "127.0.0.1", "-p", "8000"]


@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
def test_several_web_processes_accept_from_one_inherited_socket(server: str) -> None:
    one, two = web_processes(launcher(ASGI_SERVER=server), count=2, listener=6, metrics_port=21_000)

    assert (one.name, two.name) == ("web-1", "web-2")
    assert (one.log.name, two.log.name) == ("web-1.log", "web-2.log")
    assert one.descriptors == two.descriptors == (6,)
    assert "--fd 6" in " ".join(one.arguments)
    assert not {"--host", "--port", "-b", "-p"} & set(one.arguments)
    variables = ("WEB_PROCESSES", "WEB_PROCESS_NUMBER", "WEB_METRICS_PORT")
    assert [two.environment[name] for name in variables] == ["2", "2", "21000"]


def test_an_unknown_server_is_refused_by_name() -> None:
    with pytest.raises(DevstackError, match="ASGI_SERVER=gunicorn"):
        web(launcher(ASGI_SERVER="gunicorn"), host="127.0.0.1", port=8_000)


def test_the_access_token_is_not_among_the_simulators_arguments() -> None:
    shop = launcher(SIMULATOR_ACCESS_TOKEN="a-token", SIMULATOR_RATE="500")

    arguments = simulator(shop, choose_source({}), feed_port=21_000, rest_port=21_001).arguments

    assert "a-token" not in arguments
    assert list(arguments[2:]) == [
        *("simulator", "--port", "21000", "--rest-port", "21001"),
        *("--client-id", "1000000001", "--seed", "7", "--rate", "500"),
    ]


def test_programs_that_accept_work_stop_before_workers_and_the_broker_last() -> None:
    shop = launcher()

    stages = [web(shop, host="127.0.0.1", port=1).stop_stage, beat(shop).stop_stage]
    stages += [feed_worker(shop).stop_stage, work_worker(shop).stop_stage]
    stages += [simulator(shop, choose_source({}), feed_port=1, rest_port=2).stop_stage]

    assert stages == [0, 0, 1, 1, 2]
