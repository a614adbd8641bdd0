"""Templates and browser code fit the Content-Security-Policy: no inline script, no inline style."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = [path for app in ("accounts", "marketdata", "watchlists") for path in (ROOT / app / "static").rglob("*.js")]
INLINE_SCRIPT = re.compile(r"<script(?![^>]*(?:\bsrc=|type=\"application/json\"))", re.IGNORECASE)
INLINE_STYLE = re.compile(r"<style|\sstyle\s*=", re.IGNORECASE)
HANDLER = re.compile(r"\son[a-z]+\s*=|javascript:", re.IGNORECASE)
FROM_STRINGS = re.compile(
    r"\binnerHTML\b|\bouterHTML\b|insertAdjacentHTML|document\.write|\beval\(|new Function|\"style\""
)


def find_inline(text: str) -> list[str]:
    return [found[0] for pattern in (INLINE_SCRIPT, INLINE_STYLE, HANDLER) for found in pattern.finditer(text)]


def test_inline_code_is_found() -> None:
    assert find_inline('<script>x()</script><a style="x" onclick="y()" href="javascript:z()">') == [
        "<script",
        " style=",
        " onclick=",
        "javascript:",
    ]
    assert find_inline('<script type="module" src="x.js"></script><script id="a" type="application/json">') == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_template_has_inline_code(path: Path) -> None:
    assert find_inline(path.read_text()) == []


def test_no_script_makes_markup_from_text() -> None:
    assert len(SCRIPTS) > 15
    assert [(path.name, found[0]) for path in SCRIPTS if (found := FROM_STRINGS.search(path.read_text()))] == []
