"""No test replaces a part of the product's code: tests pass arguments and settings, or use real servers.

The check reads the tests' syntax trees. An environment variable, or a class of another project, may be replaced.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
OURS = frozenset(("accounts", "devstack", "marketdata", "simulator", "subscriptions", "terminal", "watchlists"))
METHODS = frozenset(("setattr", "delattr", "setitem", "delitem", "patch", "object", "dict", "multiple"))
"""Methods of MonkeyPatch and of `unittest.mock.patch` that replace something."""
FUNCTIONS = frozenset(("setattr", "delattr", "patch"))
MOCKS = frozenset(("unittest.mock", "mock", "pytest_mock"))
PLAIN_MOCK_NAMES = frozenset(("ANY", "sentinel"))
"""Values of `unittest.mock` that replace nothing."""


def find_patches(source: str) -> Iterator[int]:
    """Yield the lines in which a test replaces an attribute of the product's modules or classes, or makes a mock."""
    tree = ast.parse(source)
    imported = dict(_imports(tree))
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module)) if module in MOCKS:
                if {alias.name for alias in node.names} - PLAIN_MOCK_NAMES:
                    yield node.lineno
            case ast.Import() if MOCKS & {alias.name for alias in node.names}:
                yield node.lineno
            case ast.Call(args=[target, *_]) if _is_replacing(node.func) and _belongs_to_product(target, imported):
                yield node.lineno
            case ast.Assign(targets=targets) if any(_is_attribute_of_product(one, imported) for one in targets):
                yield node.lineno
            case ast.AugAssign(target=target) if _is_attribute_of_product(target, imported):
                yield node.lineno


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each imported name with the package it comes from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((alias.asname or alias.name, node.module.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                package = alias.name.split(".")[0]
                yield alias.asname or package, package


def _is_replacing(called: ast.expr) -> bool:
    if isinstance(called, ast.Attribute):
        return called.attr in METHODS
    return isinstance(called, ast.Name) and called.id in FUNCTIONS


def _belongs_to_product(target: ast.expr, imported: dict[str, str]) -> bool:
    """Return whether `target` is a name imported from the product, its attribute, or its dotted path as text."""
    if isinstance(target, ast.Constant):
        return isinstance(target.value, str) and target.value.split(".")[0] in OURS
    while isinstance(target, ast.Attribute):
        target = target.value
    return isinstance(target, ast.Name) and imported.get(target.id) in OURS


def _is_attribute_of_product(target: ast.expr, imported: dict[str, str]) -> bool:
    return isinstance(target, ast.Attribute) and _belongs_to_product(target, imported)


@pytest.mark.parametrize(
    "statement",
    [
        "monkeypatch.setattr(fence, 'time', clock)",
        "monkeypatch.setattr('subscriptions.feed.fence.time', clock)",
        "monkeypatch.delattr(Fence, 'is_closed')",
        "monkeypatch.setitem(fence.RULES, 'one', 2)",
        "setattr(fence, 'time', clock)",
        "fence.time = clock",
        "fence.LIMIT += 1",
        "Fence.limit = 3",
        "patch('marketdata.services.import_instruments')",
        "patch.object(fence, 'time')",
        "from unittest.mock import Mock",
        "import unittest.mock",
    ],
)
def test_each_kind_of_patch_is_found(statement: str) -> None:
    source = "from subscriptions.feed import fence\nfrom subscriptions.feed.fence import Fence\n" + statement

    assert list(find_patches(source)) == [3]


@pytest.mark.parametrize(
    "statement",
    [
        "monkeypatch.setenv('DEMO_PASSWORD', 'one')",
        "monkeypatch.setattr(MarketFeed, 'market_feed_wss', url)",
        "settings.MARKET_DATE = today",
        "one = fence.Fence()",
        "rules = dict(fence.RULES)",
        "from unittest.mock import ANY",
    ],
)
def test_code_of_other_projects_may_be_replaced(statement: str) -> None:
    imports = "from django.conf import settings\nfrom dhanhq import MarketFeed\nfrom subscriptions.feed import fence\n"
    source = imports + statement

    assert list(find_patches(source)) == []


def test_no_test_patches_the_product() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}"
        for path in sorted((REPOSITORY / "tests").rglob("*.py"))
        for line in find_patches(path.read_text())
    ]

    assert found == []
