"""docs/operations.md is complete and names nothing that does not exist: each set is read from the code."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands
from rest_framework.exceptions import APIException

from marketdata.dhan.disconnects import Reaction, describe, reaction_to
from marketdata.dhan.rest_answers import OddKind
from marketdata.dhan.tokens import TokenMethod
from marketdata.domain.errors import DomainError
from marketdata.domain.feed import ConnectionState
from marketdata.domain.quote_state import QuoteState
from marketdata.domain.sessions import SessionKind
from marketdata.domain.tick_rules import TickFault
from marketdata.streaming.feed_status import FeedState, StreamState
from marketdata.streaming.frames import CloseCode
from marketdata.streaming.hub import QuoteHub
from subscriptions.domain.claims import LogAction, LogReason
from subscriptions.domain.connection_life import DisconnectCause
from terminal import errors, feed_metrics, health, process_metrics
from terminal.admission import TRY_AGAIN_LATER
from terminal.probes import NoAnswer
from terminal.web_processes import WebProcessesCollector
from watchlists.login_monitor import LoginMonitor
from watchlists.shared_watches import SharedWatches

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "operations.md"
APPS = ("accounts", "marketdata", "subscriptions", "watchlists")
FAULTS = set(range(1, 30))
NOT_DOCUMENTED = describe(0).partition(": ")[2]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the page, under its heading."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def read_tables(text: str) -> Iterator[Table]:
    heading, lines = "", [*text.splitlines(), ""]
    rows: list[tuple[str, ...]] = []
    for line in lines:
        if line.startswith("#"):
            heading = line.strip("# ")
        if line.startswith("|"):
            rows.append(tuple(cell.strip() for cell in line.strip().strip("|").split("|")))
        elif rows:
            yield Table(heading, rows[0], tuple(rows[2:]))
            rows = []


def table(first_column: str, heading: str) -> Table:
    """Return the table under `heading` whose first column is `first_column`."""
    found = [one for one in read_tables(PAGE.read_text()) if (one.columns[0], one.heading) == (first_column, heading)]
    assert len(found) == 1, f"{PAGE.name} has {len(found)} tables of {first_column} under {heading}"
    return found[0]


def names(first_column: str, heading: str) -> set[str]:
    """Return the first cells of a table; fail on duplicates."""
    listed = [row[0].strip("`") for row in table(first_column, heading).rows]
    assert len(listed) == len(set(listed))
    return set(listed)


def subclasses(base: type[Any]) -> Iterator[type[Any]]:
    for one in base.__subclasses__():
        yield one
        yield from subclasses(one)


def import_all_modules() -> None:
    """Import all modules of the apps, so that every subclass is registered."""
    for app in APPS:
        package = importlib.import_module(app)
        for module in pkgutil.walk_packages(package.__path__, f"{app}."):
            if ".migrations" not in module.name:
                importlib.import_module(module.name)


def called_with(tree: ast.AST, callees: Iterable[str], *, position: int) -> set[str]:
    """Return the text constants that calls of `callees` have at `position`."""
    return {
        argument.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) in callees and len(call.args) > position
        for argument in [call.args[position]]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def settings_read() -> set[str]:
    """Return the variables that terminal/settings.py reads through `env` or through its reader functions."""
    tree = ast.parse((ROOT / "terminal" / "settings.py").read_text())
    readers = {f"env.{kind}" for kind in ("str", "int", "bool", "list", "db_url", "float", "url", "json")}
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return {name for name in called_with(tree, readers | own, position=0) if name.isupper()}


def problem_codes() -> set[str]:
    import_all_modules()
    ours = {one.code for one in subclasses(DomainError)}
    theirs = {one.default_code for one in subclasses(APIException)}
    tree = ast.parse(Path(errors.__file__).read_text())
    plain = called_with(tree, {"Problem"}, position=1) | called_with(tree, {"_unavailable"}, position=0)
    return ours | theirs | plain | {"error"}


def metric_names() -> set[str]:
    """Return the names of the metrics; of a histogram the name without its suffix."""
    families = [
        *feed_metrics.FeedCollector().describe(),
        *process_metrics.HubCollector(QuoteHub()).collect(),
        *process_metrics.SocketReadsCollector(SharedWatches(), LoginMonitor()).collect(),
        *process_metrics.REGISTRY.collect(),
        *WebProcessesCollector(process_metrics.REGISTRY).describe(),
    ]
    return {f"{one.name}_total" if one.type == "counter" else one.name for one in families}


def test_every_part_of_health() -> None:
    silent: dict[str, object] = dict.fromkeys(("database", "redis", "placement", "disk"), NoAnswer("no answer"))

    assert names("Part", "Health") == set(health.check_parts(silent, now=datetime(2026, 2, 10, tzinfo=UTC)))


def test_every_state_of_a_connection() -> None:
    assert names("State", "Connection states") == set(ConnectionState)


def test_every_state_of_the_feed() -> None:
    assert names("Feed state", "Feed states") == set(FeedState)
    assert names("Connection", "Feed states") == set(StreamState)


def test_every_state_of_an_instrument() -> None:
    assert names("Instrument", "Instrument states") == set(QuoteState)


def test_every_kind_of_session() -> None:
    assert names("Kind", "The calendar") == set(SessionKind)


def test_every_token_method() -> None:
    assert names("Method", "The access token") == set(TokenMethod)


def test_every_action_and_reason_of_the_subscription_log() -> None:
    assert names("Action", "The subscription log") == set(LogAction)
    assert names("Reason", "The subscription log") == set(LogReason)


def test_every_disconnect_code_with_its_text_and_its_reaction() -> None:
    rows = table("Code", "Broker's disconnect codes").rows

    listed = {int(code.strip("`")): (text, reaction.strip("`")) for code, text, reaction, _ in rows}
    documented = {code: describe(code).partition(": ")[2] for code in range(1, 1_000)}
    assert listed == {
        code: (text, reaction_to(code).value) for code, text in documented.items() if text != NOT_DOCUMENTED
    }


def test_every_reaction_to_a_refusal() -> None:
    assert names("Reaction", "Broker's disconnect codes") == set(Reaction)


def test_every_close_code_of_the_browser_socket() -> None:
    rows = table("Code", "Close codes of the browser socket").rows

    assert {(row[0].strip("`"), row[1].strip("`")) for row in rows} == {(str(int(one)), one.name) for one in CloseCode}


def test_the_close_code_of_a_full_web_process() -> None:
    assert str(TRY_AGAIN_LATER) in names("Standard code", "Close codes of the browser socket")


def test_every_refusal_on_the_browser_socket() -> None:
    sources = [
        ROOT / "marketdata/streaming/messages.py",
        ROOT / "watchlists/consumers.py",
        ROOT / "watchlists/shared_watches.py",
    ]
    raised = [
        called_with(ast.parse(one.read_text()), {"MessageError", "messages.MessageError"}, position=0)
        for one in sources
    ]

    assert names("Code", "Refusals on the browser socket") == set().union(*raised)


def test_every_problem_code() -> None:
    assert names("Code", "Problem codes") == problem_codes()


def test_every_metric() -> None:
    assert names("Metric", "Metrics") == metric_names()


def test_every_metric_on_the_page_exists() -> None:
    mentioned = {
        re.sub(r"_(bucket|sum|count)$", "", one) for one in re.findall(r"terminal_[a-z_]*[a-z]", PAGE.read_text())
    }
    families = {"terminal_feed", "terminal_queue", "terminal_rest", "terminal_task", "terminal_token", "terminal_web"}

    assert mentioned - families <= metric_names()


def test_every_cause_of_a_reconnect() -> None:
    assert names("Cause", "Metrics") == set(DisconnectCause)


def test_every_kind_of_invalid_price() -> None:
    assert names("Kind", "Metrics") == set(TickFault)


def test_every_kind_of_odd_item() -> None:
    assert names("Odd item", "Metrics") == set(OddKind)


def test_every_setting() -> None:
    assert names("Setting", "Settings") == settings_read()


def test_every_management_command() -> None:
    ours = {name for name, app in get_commands().items() if app in APPS}

    assert names("Command", "Commands") == ours


def test_every_fault_and_the_tests_that_show_it() -> None:
    shown: dict[str, set[str]] = {f"R{number}": set() for number in sorted(FAULTS)}
    for file in (ROOT / "tests" / "faults").glob("test_r*.py"):
        number = re.match(r"test_r(\d+)_", file.name)
        assert number is not None, f"{file.name} has no fault number"
        shown[f"R{int(number[1])}"].add(f"tests/faults/{file.name}")

    rows = table("Fault", "Faults we survive").rows

    assert {row[0]: set(re.findall(r"`(tests/faults/[^`]+)`", row[3])) for row in rows} == shown


def numbers_in(files: Iterable[str]) -> set[float]:
    """Return the numbers in the code of these files; a text may be one, because settings of processes are texts."""
    found: set[str] = set()
    for file in files:
        text = (ROOT / file).read_text()
        if file.endswith(".py"):
            constants = [str(node.value) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
            found |= {one for one in constants if re.fullmatch(r"[\d.]*\d", one)}
        else:
            found |= set(re.findall(r"\b\d+\b", text))
    return {float(one) for one in found}


def figures_in(cell: str, *, unit: str = "") -> set[float]:
    return {float(one.replace(",", "")) for one in re.findall(rf"(\d[\d,]*(?:\.\d+)?){unit}", cell)}


def files_of_faults() -> dict[str, set[str]]:
    """Return the test files that the page names, by fault."""
    rows = table("Fault", "Faults we survive").rows
    return {row[0]: set(re.findall(r"`(tests/[^`]+)`", row[3])) for row in rows}


def test_every_test_of_a_fault_states_its_number() -> None:
    for fault, files in files_of_faults().items():
        name = f"test_r{int(fault.removeprefix('R')):02}_"
        for file in files:
            text = (ROOT / file).read_text()
            assert Path(file).name.startswith(name) or re.search(rf"\b{fault}\b", text), f"{file}: no {fault}"


def scaled_rows() -> tuple[tuple[str, ...], ...]:
    return table("Scaled", "Scaled figures").rows


@pytest.mark.parametrize("row", table("Fault", "Faults we survive").rows, ids=itemgetter(0))
def test_every_promised_figure_is_in_a_test_of_its_fault(row: tuple[str, ...]) -> None:
    promised = figures_in(row[2], unit=r" (?:s|streams|instruments)\b")
    scaled = {figure for one in scaled_rows() if one[0] == row[0] for cell in one[1:3] for figure in figures_in(cell)}

    missing = promised - scaled - numbers_in(files_of_faults()[row[0]])
    assert missing == set()


@pytest.mark.parametrize("row", scaled_rows(), ids=str)
def test_every_scaled_figure_is_that_of_its_tests(row: tuple[str, ...]) -> None:
    fault, _, _, in_tests = row

    assert figures_in(in_tests) - numbers_in(files_of_faults()[fault]) == set()


def test_every_scaled_setting_has_the_default_that_the_page_states() -> None:
    defaults = {row[0].strip("`"): row[2].strip("`") for row in table("Setting", "Settings").rows}
    for fault, what, product, _ in scaled_rows():
        names = re.findall(r"`([A-Z_]+)`", what)
        if fault != "R19":  # The web process has another default (`terminal.asgi`).
            assert [defaults[one] for one in names] == (product.split(", ") if names else [])


def test_every_test_file_on_the_page_exists() -> None:
    named = re.findall(r"`(tests/[^`]+\.py)`", PAGE.read_text())

    assert [one for one in named if not (ROOT / one).is_file()] == []


@pytest.mark.parametrize("heading", ["Metrics", "Problem codes", "Settings", "Beat tasks", "Faults we survive"])
def test_no_row_lacks_a_cell(heading: str) -> None:
    for found in read_tables(PAGE.read_text()):
        if found.heading == heading:
            assert {len(row) for row in found.rows} == {len(found.columns)}
