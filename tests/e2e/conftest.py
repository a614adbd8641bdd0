"""A terminal for a browser, one for each file: simulator, instruments, users, feed worker, web process."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django import DjangoDbBlocker

from tests.database import flush_database, restore_seeds
from tests.e2e.stack import PASSWORD, Stack, running_stack

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the Chromium of this machine."""
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        pytest.skip(f"no Chromium on PATH: looked for {', '.join(CHROMIUMS)}")
    return found


@pytest.fixture(scope="module")
def terminal(
    chromium: str,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Stack]:
    """Yield the terminal of all tests of a file: it takes seconds to start, and feed workers as long to stream."""
    name = request.module.__name__
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch, override_settings(REDIS_PREFIX=name):
        patch.setenv("DEMO_PASSWORD", PASSWORD)
        restore_seeds()
        with running_stack(tmp_path_factory.mktemp("terminal")) as running:
            call_command("create_demo_users", verbosity=0)
            yield running
        flush_database()
        connection.close()


@pytest.fixture
def stack(terminal: Stack) -> Stack:
    """Return the terminal without the entries and quotas of earlier tests."""
    # Another thread commits: the test itself runs in a transaction, and with Playwright Django rejects its queries.
    with ThreadPoolExecutor() as pool:
        pool.submit(terminal.reset).result()
    return terminal


@pytest.fixture
def browser(chromium: str, stack: Stack) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield one
        one.close()


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """Yield a page with trader1 logged in; an uncaught JavaScript error fails the test."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    one = context.new_page()
    errors: list[str] = []
    one.on("pageerror", lambda error: errors.append(str(error)))
    one.goto(f"{stack.url}/login/")
    one.fill("#id_username", "trader1")
    one.fill("#id_password", PASSWORD)
    one.click("text=Log in")
    one.wait_for_url(f"{stack.url}/")
    # A fresh database reserves connections for former owners at first, and workers take seconds to start.
    expect(one.locator("#connection")).to_have_attribute("data-tone", "live", timeout=60_000)
    yield one
    context.close()
    assert errors == []
