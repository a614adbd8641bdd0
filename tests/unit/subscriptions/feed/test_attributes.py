"""In the feed only a class assigns its attributes."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FEED = Path(__file__).resolve().parents[4] / "subscriptions" / "feed"


def foreign_assignments(source: str) -> list[str]:
    """Return the assigned attributes of objects other than `self`, as source text."""
    return sorted(ast.unparse(one) for one in _targets(ast.parse(source)) if ast.unparse(one.value) != "self")


def _targets(tree: ast.AST) -> Iterator[ast.Attribute]:
    """Yield the attributes that a statement assigns or deletes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node


@pytest.mark.parametrize("path", sorted(FEED.rglob("*.py")), ids=lambda path: str(path.relative_to(FEED)))
def test_no_code_assigns_the_attributes_of_another_object(path: Path) -> None:
    assert foreign_assignments(path.read_text()) == []


def test_an_assignment_of_a_foreign_attribute_is_found() -> None:
    planted = "class A:\n    def act(self):\n        self.x, self._owner.y = 1, 2\n        other.z += 1\n"

    assert foreign_assignments(planted) == ["other.z", "self._owner.y"]
