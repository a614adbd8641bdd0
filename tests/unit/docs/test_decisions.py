"""docs/decisions/README.md lists every decision, and all decisions have one form."""

import re
from pathlib import Path

import pytest

DECISIONS = Path(__file__).resolve().parents[3] / "docs" / "decisions"
PAGES = sorted(DECISIONS.glob("[0-9]*.md"))
HEADINGS = ["Situation", "Choice", "Cost", "What would change it"]
ROW = re.compile(r"\| \[(\d{4})\]\(([^)]+)\) \| (\d{4}-\d{2}-\d{2}) \| (\w+) \| (.+) \|")


def test_the_list_names_every_decision_with_its_number_date_and_status() -> None:
    rows = [found.groups() for line in (DECISIONS / "README.md").read_text().splitlines() if (found := ROW.match(line))]

    stated = []
    for page in PAGES:
        text = page.read_text()
        date_and_status = re.search(r"^\*Date:\* (\S+)\. \*Status:\* (\w+)", text, re.MULTILINE)
        assert date_and_status is not None, page.name
        stated.append((page.name[:4], page.name, date_and_status[1], date_and_status[2]))
    assert [row[:4] for row in rows] == stated
    assert [number for number, *_ in stated] == [f"{one:04d}" for one in range(1, len(PAGES) + 1)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_states_situation_choice_cost_and_conditions_for_revision(page: Path) -> None:
    lines = page.read_text().splitlines()

    assert lines[0].startswith(f"# {page.name[:4]} — ")
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == HEADINGS
    assert len(lines) <= 60
