"""The pages around the terminal in a real browser: no violation of their policy, preferences, history, export."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from accounts import services
from accounts.domain.preferences import Density, Preferences, PriceColors, Theme
from accounts.models import User
from tests.e2e.conftest import log_in
from tests.e2e.stack import PASSWORD, Stack, expect_live_feed, in_separate_session
from tests.e2e.test_terminal import add_reliance

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]

PAGES = (
    "/scanner/",
    "/settings",
    "/settings/password",
    "/status",
    "/nowhere",
    "/chain/NIFTY/2000-01-01",
    "/api/v2/",
    "/admin/login/",
)
PRICE_IN_TITLE = re.compile(r"^[\d,]+\.\d\d RELIANCE$")


class Violations:
    """Messages of the console about the Content-Security-Policy, and errors of scripts."""

    def __init__(self, page: Page) -> None:
        self.found: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.found.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Content-Security-Policy" in message.text:
            self.found.append(message.text)


@pytest.fixture
def plain_page(context: BrowserContext, stack: Stack) -> Iterator[Page]:
    """Yield an empty page with trader1 logged in."""
    log_in(context, stack, "trader1")
    one = context.new_page()
    yield one
    one.close()


def prefer(preferences: Preferences) -> None:
    def save() -> None:
        services.save_preferences(user_id=User.objects.get(username="trader1").pk, preferences=preferences)

    in_separate_session(save)


def test_an_inline_script_is_a_violation(plain_page: Page, stack: Stack) -> None:
    violations = Violations(plain_page)
    plain_page.goto(f"{stack.url}/settings")

    plain_page.evaluate("document.body.setAttribute('onclick', 'window.ran = true')")
    plain_page.evaluate("document.body.click()")

    # The browser reports it before the answer to the next call.
    assert plain_page.evaluate("window.ran") is None
    assert len(violations.found) > 0


@pytest.mark.parametrize("path", PAGES)
def test_a_page_does_not_violate_its_policy(plain_page: Page, stack: Stack, path: str) -> None:
    violations = Violations(plain_page)

    plain_page.goto(f"{stack.url}{path}", wait_until="load")

    expect(plain_page.locator("body")).to_be_visible()
    assert violations.found == []


def test_login_and_terminal_do_not_violate_their_policy(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    page = context.new_page()
    violations = Violations(page)

    page.goto(stack.url)
    page.fill("#id_username", "trader1")
    page.fill("#id_password", PASSWORD)
    page.click("text=Log in")
    page.wait_for_url(f"{stack.url}/")
    # The socket is permitted, too.
    expect_live_feed(page)
    add_reliance(page)
    expect(page.locator(".strike-row")).to_have_count(25)
    page.locator("button[data-columns=greeks]").click()
    page.locator("#theme").click()

    assert violations.found == []
    context.close()


def test_pages_of_staff_do_not_violate_their_policy(admin_page: Page, stack: Stack) -> None:
    violations = Violations(admin_page)

    for path in ("", "subscriptions/claim/", "subscriptions/feedconnection/", "django_celery_beat/periodictask/add/"):
        admin_page.goto(f"{stack.url}/admin/{path}", wait_until="load")

    assert violations.found == []


def test_another_browser_has_the_preferences_of_the_trader(plain_page: Page, browser: Browser, stack: Stack) -> None:
    plain_page.goto(f"{stack.url}/settings")
    plain_page.get_by_label("Theme").select_option("contrast")
    plain_page.get_by_label("Rise and fall").select_option("green-red")
    plain_page.get_by_label("Rows").select_option("compact")
    plain_page.get_by_label("Prices change at most").select_option("10")
    plain_page.get_by_label("Single-letter shortcuts").uncheck()
    plain_page.get_by_role("button", name="Save").click()
    expect(plain_page.get_by_role("status")).to_contain_text("Saved.")

    other = browser.new_context()
    log_in(other, stack, "trader1")
    page = other.new_page()
    sent: list[str | bytes] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))  # noqa: PLW0108  Playwright sets attributes of a handler.
    page.goto(stack.url)

    html = page.locator("html")
    expect(html).to_have_attribute("data-theme", "contrast")
    expect(html).to_have_attribute("data-density", "compact")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") in {"rgba(0, 0, 0, 0)", "rgb(0, 0, 0)"}
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(0, 0, 0)"
    expect_live_feed(page)
    assert '{"type":"rate","hz":10}' in sent
    page.keyboard.press("/")
    expect(page.locator("#search")).not_to_be_focused()
    other.close()


def test_the_login_page_has_the_theme_of_the_last_trader(plain_page: Page, stack: Stack) -> None:
    prefer(Preferences(Theme.DARK, PriceColors.BLUE_ORANGE, Density.COMFORTABLE, 4, has_letter_keys=True))
    plain_page.goto(f"{stack.url}/settings")

    plain_page.get_by_role("button", name="Log out").click()

    plain_page.wait_for_url(f"{stack.url}/login/")
    expect(plain_page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_token_is_made_shown_once_and_revoked(plain_page: Page, stack: Stack) -> None:
    plain_page.goto(f"{stack.url}/settings")
    plain_page.get_by_role("button", name="Make a token").click()
    secret = plain_page.get_by_label("Your new token").input_value()
    assert len(secret) == 64

    plain_page.get_by_role("button", name=f"Revoke the token {secret[:15]}").click()

    expect(plain_page.get_by_role("status")).to_contain_text("is revoked")
    expect(plain_page.locator("#new-token")).to_have_count(0)
    expect(plain_page.locator("main")).not_to_contain_text(f"{secret[:15]}…Revoke")


def test_the_status_page_shows_the_limits_of_the_trader(plain_page: Page, stack: Stack) -> None:
    plain_page.goto(f"{stack.url}/status")

    expect(plain_page.locator("main")).to_contain_text("of 25,000")
    expect(plain_page.locator("main")).to_contain_text("Nothing of yours is streaming.")


def test_back_and_forward_move_between_opened_chains(page: Page) -> None:
    add_reliance(page)
    expect(page.locator("#chain-title")).to_have_text("RELIANCE")
    first = page.url
    page.locator("#chain-expiries .chip").nth(1).click()
    expect(page.locator("#chain-expiries .chip").nth(1)).to_have_attribute("aria-pressed", "true")
    second = page.url
    page.locator(".index", has_text="NIFTY").first.click()
    expect(page.locator("#chain-title")).not_to_have_text("RELIANCE")

    page.go_back()
    expect(page.locator("#chain-title")).to_have_text("RELIANCE")
    assert page.url == second
    page.go_back()
    expect(page.locator("#chain-expiries .chip").first).to_have_attribute("aria-pressed", "true")
    assert page.url == first
    page.go_forward()
    expect(page.locator("#chain-expiries .chip").nth(1)).to_have_attribute("aria-pressed", "true")


def test_the_title_of_the_tab_has_the_price_of_the_open_chain(page: Page) -> None:
    add_reliance(page)

    expect(page).to_have_title(PRICE_IN_TITLE, timeout=15_000)


def test_the_open_chain_is_downloaded_and_copied_as_a_table(page: Page, tmp_path: Path) -> None:
    add_reliance(page)
    page.wait_for_function("() => document.querySelectorAll('.strike-row[data-call=live]').length > 20")

    page.locator("#export-summary").click()
    with page.expect_download() as started:
        page.locator("#export-csv").click()
    file = tmp_path / "chain.csv"
    started.value.save_as(file)

    assert re.fullmatch(r"NSE-RELIANCE-\d{4}-\d\d-\d\d-\d{8}-\d{4}\.csv", started.value.suggested_filename)
    lines = file.read_bytes().decode("utf-8").split("\r\n")
    assert lines[0].startswith("\ufeffCall state,Call OI change,Call build-up,Call OI,")
    assert len(lines) == 1 + 25 + 1
    # Seven columns of a side in this preset, with the state and the build-up.
    assert {len(line.split(",")) for line in lines[:-1]} == {9 + 1 + 9}
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#export-summary").click()
    page.locator("#export-copy").click()
    expect(page.locator("#status")).to_have_text("Copied the chain of RELIANCE.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("Call state\tCall OI change\t")


def test_a_chain_pops_out_into_a_tab_without_the_list(page: Page) -> None:
    add_reliance(page)
    expect(page.locator(".strike-row")).to_have_count(25)

    with page.context.expect_page() as opened:
        page.locator("#own-tab").click()

    alone = opened.value
    expect(alone.locator("#chain-title")).to_have_text("RELIANCE")
    expect(alone.locator(".strike-row")).to_have_count(25)
    expect(alone.locator(".side")).to_be_hidden()
    assert re.search(r"/chain/RELIANCE/\d{4}-\d\d-\d\d$", alone.url)
