"""A terminal and a browser for all files: simulator, instruments, users, feed worker, web process, Chromium."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pytest_django import DjangoDbBlocker

from tests.database import flush_database, restore_seeds
from tests.e2e.chromium import CHROMIUMS, FLAGS, find_chromium
from tests.e2e.stack import Stack, expect_live_feed, running_stack


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the Chromium of this machine."""
    found = find_chromium()
    if found is None:
        pytest.skip(f"no Chromium on PATH: looked for {', '.join(CHROMIUMS)}")
    return found


@pytest.fixture(scope="package")
def terminal(
    chromium: str,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Yield the terminal of all tests: it takes seconds to start, and feed workers as long to stream."""
    prefix = f"{settings.REDIS_PREFIX}-browser"  # The one of this process: workers of one run share a Redis.
    # Notices of services that a test calls reach the open pages.
    layers: dict[str, Any] = deepcopy(dict(settings.CHANNEL_LAYERS))
    layers["default"]["CONFIG"]["prefix"] = f"{prefix}:layer"
    with django_db_blocker.unblock(), override_settings(REDIS_PREFIX=prefix, CHANNEL_LAYERS=layers):
        restore_seeds()
        with running_stack(tmp_path_factory.mktemp("terminal")) as running:
            yield running
        flush_database()
        connection.close()


@pytest.fixture(scope="package")
def browser(chromium: str, terminal: Stack) -> Iterator[Browser]:
    """Yield the browser of all tests; each test opens its own contexts."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright leaves its event loop running in this thread, in which the database of each test is set up. The
        # processes of the terminal run already, so that the variable hides no mistake of theirs.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        one = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield one
        one.close()


@pytest.fixture
def stack(terminal: Stack) -> Stack:
    """Return the terminal without the entries and quotas of earlier tests."""
    terminal.reset()
    return terminal


@pytest.fixture
def context(browser: Browser, stack: Stack) -> Iterator[BrowserContext]:
    """Yield a context without cookies."""
    one = browser.new_context(viewport={"width": 1600, "height": 1000})
    yield one
    one.close()


@pytest.fixture
def page(context: BrowserContext, stack: Stack) -> Iterator[Page]:
    """Yield a page with trader1 logged in; an uncaught JavaScript error fails the test."""
    log_in(context, stack, "trader1")
    one = context.new_page()
    errors: list[str] = []
    one.on("pageerror", lambda error: errors.append(str(error)))
    one.goto(stack.url)
    # A fresh database reserves connections for former owners at first, and workers take seconds to start.
    expect_live_feed(one)
    yield one
    one.close()
    assert errors == []


@pytest.fixture
def admin_page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """Yield a page of the admin with staff logged in."""
    context = browser.new_context()
    log_in(context, stack, "staff")
    yield context.new_page()
    context.close()


def log_in(context: BrowserContext, stack: Stack, username: str) -> None:
    context.add_cookies([{"name": "sessionid", "value": stack.log_in(username), "url": stack.url}])
