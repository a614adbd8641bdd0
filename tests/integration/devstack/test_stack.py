"""`devstack run` starts the way of the prices first; no preparation holds it up that the prices do not need."""

import time
from pathlib import Path

import pytest

from devstack.ports import choose_port
from tests.integration.devstack.checkouts import block, make_checkout, running_stack

LATER = ("create_demo_users", "import_instruments")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path)


@pytest.fixture
def port() -> int:
    return choose_port()


def test_the_feed_and_the_web_server_start_before_everything_that_prices_do_not_need(checkout: Path, port: int) -> None:
    with running_stack(checkout, port=port) as stack:
        stack.wait_for("feed", "work", "beat", *LATER)
        order = stack.started()

    assert order.index("migrate") < min(order.index("feed"), order.index("web"))
    assert order.index("web") < min(order.index(name) for name in ("work", "beat", *LATER))


def test_what_hangs_after_the_migration_holds_up_neither_feed_nor_web(checkout: Path, port: int) -> None:
    hanging = {*LATER, "work", "beat", "simulator"}
    block(checkout, *hanging)

    with running_stack(checkout, port=port) as stack:
        stack.wait_for("feed", "web")

        assert not hanging & set(stack.started())


def test_several_web_processes_answer_on_one_port(checkout: Path, port: int) -> None:
    block(checkout, "web-1")

    with running_stack(checkout, port=port, WEB_PROCESSES="3") as stack:
        stack.wait_for("web-2", "web-3")
        stack.wait_for_line(f"Ready http://127.0.0.1:{port}")

        assert not {"web", "web-1"} & set(stack.started())


def test_static_files_that_take_long_do_not_hold_up_the_feed(checkout: Path, port: int) -> None:
    block(checkout, "collectstatic")

    with running_stack(checkout, port=port) as stack:
        stack.wait_for("feed")
        assert "web" not in stack.started()

        (checkout / "hang-collectstatic").unlink()
        stack.wait_for("web")


def test_a_web_server_that_hangs_does_not_keep_the_other_workers_away(checkout: Path, port: int) -> None:
    block(checkout, "web")

    with running_stack(checkout, port=port, PRICES_FIRST_SECONDS="1") as stack:
        stack.wait_for("work", "beat")


def test_static_files_are_gathered_again_only_after_a_change(checkout: Path, port: int) -> None:
    collected = []
    for change in ("", "// another page", ""):
        if change:
            (checkout / "app/static/page.js").write_text(change)
        with running_stack(checkout, port=port) as stack:
            stack.wait_for("web")
            collected.append("collectstatic" in stack.started())

    assert collected == [True, True, False]


def test_static_files_are_gathered_again_when_they_were_deleted(checkout: Path, port: int) -> None:
    with running_stack(checkout, port=port) as stack:
        stack.wait_for("web")
    (checkout / ".run/static/staticfiles.json").unlink()

    with running_stack(checkout, port=port) as stack:
        stack.wait_for("collectstatic", "web")


def test_the_stack_goes_on_after_a_refused_import(checkout: Path, port: int) -> None:
    (checkout / "fail-import_instruments").touch()

    with running_stack(checkout, port=port) as stack:
        stack.wait_for_line("import_instruments fails")
        stack.wait_for_line('make manage ARGS="import_instruments"')
        stack.wait_for_line("Ready")

        assert stack.process.poll() is None


def test_a_failed_migration_ends_the_start(checkout: Path, port: int) -> None:
    (checkout / "fail-migrate").touch()

    with running_stack(checkout, port=port) as stack:
        stack.process.wait(60)

        assert "Preparing the tables failed with exit code 1." in stack.output.read_text()
        assert "feed" not in stack.started()


def test_a_command_that_hangs_ends_with_the_stack(checkout: Path, port: int) -> None:
    block(checkout, "create_demo_users")
    with running_stack(checkout, port=port) as stack:
        stack.wait_for("beat")
        began_at = time.monotonic()
        stack.process.terminate()
        code = stack.process.wait(60)

    assert code == 0
    assert time.monotonic() - began_at < 10
    assert "Stopped." in stack.output.read_text()
