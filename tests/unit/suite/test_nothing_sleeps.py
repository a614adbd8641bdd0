"""No test sleeps for a fixed time: a sleep is too short on a busy machine and wastes time on an idle one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PACED = ("tests/waiting.py", "tests/integration/marketdata/streaming/frame_publishers.py")
"""The pause of the one poll, and the interval between two heartbeats of a publisher that a test runs."""


def find_sleeps(source: str) -> Iterator[int]:
    """Yield the lines that call a function `sleep`; `asyncio.sleep(0)` only lets other tasks run."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "sleep":
            is_zero = isinstance(first := node.args[0], ast.Constant) and first.value == 0
            if not is_zero:
                yield node.lineno


@pytest.mark.parametrize("call", ["time.sleep(1)", "sleep(seconds)", "await asyncio.sleep(0.01)"])
def test_each_sleep_is_found(call: str) -> None:
    assert list(find_sleeps(f"async def test() -> None:\n    {call}")) == [2]


def test_no_test_sleeps() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}"
        for path in sorted((REPOSITORY / "tests").rglob("*.py"))
        if str(path.relative_to(REPOSITORY)) not in PACED
        for line in find_sleeps(path.read_text())
    ]

    assert found == []
