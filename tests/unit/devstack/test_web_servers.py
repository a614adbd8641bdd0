"""How many web processes the stack starts, and the database connections that they need."""

import pytest

from devstack.errors import DevstackError
from devstack.web_servers import choose_web_processes, count_database_connections


@pytest.mark.parametrize(("cores", "processes"), [(1, 1), (2, 1), (3, 1), (4, 2), (8, 4), (16, 8), (64, 8)])
def test_half_of_the_cores_serve_browsers_unless_the_environment_names_a_number(cores: int, processes: int) -> None:
    assert choose_web_processes({}, cores=cores) == processes
    assert choose_web_processes({"WEB_PROCESSES": ""}, cores=cores) == processes
    assert choose_web_processes({"WEB_PROCESSES": "12"}, cores=cores) == 12


@pytest.mark.parametrize("text", ["0", "65", "-1", "two", "1.5"])
def test_another_number_of_processes_is_refused_by_name(text: str) -> None:
    with pytest.raises(DevstackError, match=f"WEB_PROCESSES={text}"):
        choose_web_processes({"WEB_PROCESSES": text})


def test_postgresql_accepts_the_connections_of_all_web_processes() -> None:
    assert count_database_connections({}, 1) == 100
    assert count_database_connections({}, 4) == 160
    assert count_database_connections({"DATABASE_CONNECTIONS": "50"}, 4) == 280
