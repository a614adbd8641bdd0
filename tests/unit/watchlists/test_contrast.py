"""Contrast of the colors of tokens.css, by the formula of WCAG 2.2, in every theme and with both price colors."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

TOKENS = Path(__file__).resolve().parents[3] / "watchlists" / "static" / "watchlists" / "tokens.css"
COLOR = re.compile(r"--([a-z0-9-]+):\s*(?:light-dark\((#\w{6}), (#\w{6})\)|(#\w{6}));")
THEMES = ("light", "dark", "contrast")
PRICE_COLORS = ("blue-orange", "green-red")
# Each text with the grounds that it stands on.
PAIRS = [
    *(
        (text, ground)
        for text in ("text", "muted", "stale", "up", "down")
        for ground in ("ground", "surface", "surface-2")
    ),
    *((text, "itm") for text in ("text", "muted", "stale", "up", "down")),
    *((name, f"{name}-ground") for name in ("up", "down", "live", "warn", "bad")),
    *(("text", f"{name}-ground") for name in ("up", "down", "accent")),
    ("on-accent", "accent"),
    ("accent", "surface"),
]


def colors_of(theme: str, price_colors: str) -> Mapping[str, str]:
    css = TOKENS.read_text()
    blocks = dict(re.findall(r"^:root(\[[^\]]+\])? \{(.*?)\}", css, re.MULTILINE | re.DOTALL))
    selectors = ("", f'[data-colors="{price_colors}"]', f'[data-theme="{theme}"]')
    return {
        name: both or (light if theme == "light" else dark)
        for selector in selectors
        for name, light, dark, both in COLOR.findall(blocks.get(selector, ""))
    }


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the ratio of two colors.

    >>> contrast("#000000", "#ffffff")
    21.0
    """
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("price_colors", PRICE_COLORS)
@pytest.mark.parametrize("theme", THEMES)
def test_text_has_enough_contrast_on_its_ground(theme: str, price_colors: str) -> None:
    colors = colors_of(theme, price_colors)
    least = 7.0 if theme == "contrast" else 4.5

    ratios = {(text, ground): contrast(colors[text], colors[ground]) for text, ground in PAIRS}

    assert {pair: round(ratio, 2) for pair, ratio in ratios.items() if ratio < least} == {}


def test_each_theme_and_pair_has_its_own_colors() -> None:
    assert len({colors_of(theme, "blue-orange")["ground"] for theme in THEMES}) == 3
    assert colors_of("dark", "green-red")["up"] != colors_of("dark", "blue-orange")["up"]
