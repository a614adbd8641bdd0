"""Actions of staff in the admin appear on the trader's open page: evictions, quotas, and the buttons for them."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.stack import Stack
from tests.e2e.test_terminal import add_reliance

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]


def test_a_trader_gets_a_notice_of_an_eviction_and_streams_again_with_one_click(
    page: Page, admin_page: Page, stack: Stack
) -> None:
    add_reliance(page)
    expect(page.locator(".entry")).to_contain_text("50 options")

    admin_page.goto(f"{stack.url}/admin/subscriptions/claim/?q=RELIANCE&kind__exact=watchlist")
    admin_page.locator("input.action-select").first.click()
    admin_page.select_option("select[name=action]", "evict")
    admin_page.click("button[name=index]")
    expect(admin_page.locator("#content")).to_contain_text("1 trader affected: trader1.")
    admin_page.fill("input[name=reason]", "Runaway script")
    admin_page.click(".confirm input[type=submit]")
    expect(admin_page.locator(".messagelist")).to_contain_text("Notified: trader1.")

    expect(page.locator("#notices")).to_contain_text("By the desk: Runaway script. RELIANCE")
    entry = page.locator(".entry")
    expect(entry).to_contain_text("Streaming stopped")
    expect(entry.locator(".price")).to_have_text("\N{EN DASH}")

    page.locator(".toast").locator("text=Stream again").click()

    expect(entry).to_contain_text("50 options")
    expect(entry.locator(".entry-state")).to_have_count(0)
    # The trader has acted on it: neither the line nor the history has it any more.
    expect(page.locator(".toast")).to_have_count(0)
    expect(page.locator(".notice")).to_have_count(0)


def test_a_chain_beyond_the_quota_is_rejected_with_a_narrower_offer(page: Page, admin_page: Page, stack: Stack) -> None:
    add_reliance(page)
    expect(page.locator(".entry")).to_have_attribute("data-quote", "live")

    admin_page.goto(f"{stack.url}/admin/accounts/user/?q=trader1")
    admin_page.locator("#result_list tbody th a").click()
    admin_page.fill("#id_instrument_quota", "90")
    admin_page.click("input[name=_save]")
    expect(admin_page.locator(".messagelist")).to_contain_text("changed successfully")

    page.locator("#chain-expiries .chip").nth(1).click()
    page.locator("#chain-add").click()

    notice = page.locator(".toast")
    expect(notice).to_contain_text("This chain needs 50 more live instruments; you have 40 left. ±9 strikes would fit.")
    notice.locator("text=Add ±9 strikes").click()

    expect(page.locator(".entry").nth(1)).to_contain_text("38 options")
    expect(notice).to_have_count(0)
