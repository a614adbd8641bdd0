"""Pages of the terminal in a browser of the benchmark."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from playwright.sync_api import Browser, Page

if TYPE_CHECKING:  # It needs Django, which the benchmark sets up.
    from tests.e2e.stack import Stack


@contextmanager
def new_page(browser: Browser, stack: "Stack") -> Iterator[Page]:
    """Yield a page with trader1 logged in."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    context.add_cookies([{"name": "sessionid", "value": stack.log_in("trader1"), "url": stack.url}])
    yield context.new_page()
    context.close()
