"""docker-compose.yml and Dockerfile start the same processes as the local runner, with the same commands."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.children import Program
from devstack.programs import Launcher, beat, feed_worker, web, work_worker

ROOT = Path(__file__).resolve().parents[3]
LOCAL = Launcher(root=ROOT, logs=ROOT, environment={})


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def test_every_process_of_the_design_is_a_service(services: dict[str, Any]) -> None:
    assert set(services) == {"postgres", "redis", "migrate", "instruments", "web", "feed", "analytics", "work", "beat"}


@pytest.mark.parametrize(
    ("service", "program"),
    [("feed", feed_worker(LOCAL)), ("work", work_worker(LOCAL)), ("beat", beat(LOCAL))],
)
def test_workers_are_started_by_the_commands_of_the_local_runner(
    services: dict[str, Any], service: str, program: Program
) -> None:
    command = [word.replace("${LOG_LEVEL:-INFO}", "INFO") for word in services[service]["command"]]

    assert command == ["python", *program.arguments[1:]]


def test_the_image_serves_as_the_local_runner_does() -> None:
    quoted = (ROOT / "Dockerfile").read_text().partition("CMD")[2]
    served = set(re.findall(r'"([^"]+)"', quoted))

    local = set(web(LOCAL, host="0.0.0.0", port=8_000).arguments[1:])  # noqa: S104  inside a container
    assert served - local == {"python", "5"}
    assert local - served == {"1"}


def test_uvicorn_starts_as_many_workers_as_the_settings_state(services: dict[str, Any]) -> None:
    variables = services["web"]["environment"]

    assert variables["WEB_CONCURRENCY"] == variables["WEB_PROCESSES"] == "${WEB_PROCESSES:-1}"
    assert variables["DATABASE_URL"] == services["feed"]["environment"]["DATABASE_URL"]


def test_services_that_need_tables_wait_for_the_migration(services: dict[str, Any]) -> None:
    for name in ("instruments", "web", "feed", "work", "beat"):
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_no_process_waits_for_the_import(services: dict[str, Any]) -> None:
    assert "import_instruments" not in services["migrate"]["command"]
    assert services["instruments"]["command"][-1] == "import_instruments"
    assert not [name for name, service in services.items() if "instruments" in service.get("depends_on", {})]


def test_every_service_is_restarted_except_the_migration_and_the_import(services: dict[str, Any]) -> None:
    policies = {name: service["restart"] for name, service in services.items()}

    assert policies.pop("migrate") == policies.pop("instruments") == "no"
    assert set(policies.values()) == {"unless-stopped"}


def test_the_example_names_every_value_that_compose_takes_from_outside() -> None:
    taken = set(re.findall(r"(?<!\$)\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    given = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))

    assert taken == given
