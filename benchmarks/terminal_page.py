"""The terminal of the browser tests with the analytics worker, and a page of it in Chromium."""

# ruff: noqa: I001  Importing the database sets Django up.

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.database import own_database
from benchmarks.pages import new_page

from django.conf import settings
from playwright.sync_api import Page, sync_playwright

from tests.e2e.chromium import FLAGS, find_chromium
from tests.e2e.stack import Stack, running_stack
from tests.integration.subscriptions.feed.feed_workers import running_worker


@contextmanager
def open_terminal(name: str, *flags: str) -> Iterator[tuple[Page, Stack]]:
    """Yield a page with trader1 logged in, and its terminal; `flags` are further ones of Chromium.

    Ends the benchmark `name` with a message where there is no Chromium.
    """
    chromium = find_chromium()
    if chromium is None:
        raise SystemExit(f"{name}: no Chromium on the PATH")
    # Playwright leaves its event loop running in this thread, which uses the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    settings.REDIS_PREFIX = name.replace("_", "-")
    with TemporaryDirectory() as folder, own_database(), running_stack(Path(folder)) as stack:
        worker = running_worker(Path(folder), name="analytics", simulator=stack.simulator, queue="analytics")
        with worker, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, *flags])
            with new_page(browser, stack) as page:
                yield page, stack
            browser.close()
