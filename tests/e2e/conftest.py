"""A whole terminal for a browser: simulator, instruments, users, feed worker, web process."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.stack import Stack, running_stack

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


@pytest.fixture
def stack(
    chromium: str, transactional_db: None, own_board: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stack]:
    monkeypatch.setenv("DEMO_PASSWORD", "a demo password")
    with running_stack(tmp_path) as running:
        call_command("create_demo_users", verbosity=0)
        yield running


@pytest.fixture
def browser(chromium: str, stack: Stack) -> Iterator[Browser]:
    # Requested after the stack: while Playwright runs its event loop, Django rejects queries in this thread.
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
    one.fill("#id_password", "a demo password")
    one.click("text=Log in")
    one.wait_for_url(f"{stack.url}/")
    # A fresh database reserves connections for former owners at first, and workers take seconds to start.
    expect(one.locator("#connection")).to_have_attribute("data-tone", "live", timeout=60_000)
    yield one
    context.close()
    assert errors == []
