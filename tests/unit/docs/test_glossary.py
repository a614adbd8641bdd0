"""docs/glossary.md: no public name contains a word that the glossary excludes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
GLOSSARY = ROOT / "docs" / "glossary.md"
PACKAGES = ("accounts", "benchmarks", "devstack", "marketdata", "simulator", "subscriptions", "terminal", "watchlists")
# Settings that were published before the glossary, and the broker's own name of its instrument file.
PUBLISHED = frozenset(
    {"QUIET_SECONDS", "MUTE_QUIET_SECONDS", "PING_QUIET_MS", "DATABASE_PATIENCE_MS", "FEED_PATIENCE_MS"}
    | {"scrip_master", "scrip_rows"}
)
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def read_excluded_words() -> frozenset[str]:
    rows = [line.strip().strip("|").split("|") for line in GLOSSARY.read_text().splitlines() if line.startswith("|")]
    return frozenset(word.strip() for row in rows if len(row) == 4 for word in row[3].split(",")) - {"", "Not", "---"}


def words_of(name: str) -> list[str]:
    """Return the lower-case words of a snake_case or CamelCase name.

    >>> words_of("LastValueCache_v2")
    ['last', 'value', 'cache', 'v', '2']
    """
    return [word.lower() for word in WORD.findall(name)]


def list_public_names(source: str) -> Iterator[str]:
    """Yield the names that a module or its classes define, without those that begin with an underscore."""
    tree = ast.parse(source)
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for body in (tree.body, *(one.body for one in classes)):
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names = [node.name]
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            else:
                names = []
            yield from (name for name in names if not name.startswith("_") and name not in PUBLISHED)


def find_offenders(package: str) -> list[str]:
    excluded = read_excluded_words()
    paths = [path for path in sorted((ROOT / package).rglob("*.py")) if "migrations" not in path.parts]
    return [
        f"{path.relative_to(ROOT)}: {name} ({', '.join(sorted(bad))})"
        for path in paths
        for name in (path.stem, *list_public_names(path.read_text()))
        if name not in PUBLISHED and (bad := excluded.intersection(words_of(name)))
    ]


def test_the_glossary_excludes_words() -> None:
    assert {"seat", "told", "newcomer"} <= read_excluded_words()


def test_an_excluded_word_in_a_public_name_is_found() -> None:
    source = "class FrontSeat:\n    told_at: int = 0\n\nTHINGS = 1\n_seat = 2\ndef tell() -> None: ...\n"

    assert list(list_public_names(source)) == ["FrontSeat", "THINGS", "tell", "told_at"]
    assert words_of("FrontSeat") == ["front", "seat"]
    assert words_of("list_told") == ["list", "told"]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_public_name_contains_an_excluded_word(package: str) -> None:
    assert find_offenders(package) == []


def test_every_term_is_explained_in_one_line_and_once() -> None:
    rows = [line.strip().strip("|").split("|") for line in GLOSSARY.read_text().splitlines() if line.startswith("|")]
    terms = [row[0].strip() for row in rows if row[0].strip() not in {"Term", "---"}]

    assert all(len(row) == 4 and row[1].strip() for row in rows)
    assert len(terms) == len(set(terms)) >= 80
