"""Which columns a layout may have, and that the browser code knows the same ones."""

import re

import pytest

from accounts.domain.layouts import COLUMNS, MAX_LAYOUT_NAME, describe_fault, keep_known
from terminal.settings import BASE_DIR

STATIC = BASE_DIR / "watchlists" / "static" / "watchlists"


def test_the_browser_code_has_the_same_columns_in_the_same_order() -> None:
    found = re.search(
        r"export const COLUMNS = Object\.freeze\(\[(.*?)\]\)", (STATIC / "columns.js").read_text(), re.DOTALL
    )

    assert found is not None
    assert tuple(re.findall(r'"([^"]+)"', found[1].replace("-", "_"))) == COLUMNS


def test_the_field_of_the_page_takes_as_long_a_name_as_the_server() -> None:
    menu = (BASE_DIR / "templates" / "watchlists" / "column_menu.html").read_text()

    assert f'id="layout-name" type="text" maxlength="{MAX_LAYOUT_NAME}"' in menu


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        (["ltp"], None),
        (list(COLUMNS), None),
        ([], "A layout needs at least one column."),
        (["ltp", "rho"], "There is no column 'rho'."),
        (["ltp", "oi", "oi"], "The column 'oi' is there twice."),
    ],
)
def test_a_fault_is_a_sentence_for_the_trader(columns: list[str], fault: str | None) -> None:
    assert describe_fault(columns) == fault


def test_a_column_that_is_gone_is_left_out_and_a_layout_is_never_empty() -> None:
    assert keep_known(["rho", "oi", "ltp"]) == ("oi", "ltp")
    assert keep_known(["rho"]) == ("ltp",)
