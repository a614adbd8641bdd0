"""Requests and socket messages that one change of a watchlist causes in each open page of its trader."""

import json
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Page, Request, WebSocket, expect

from tests.e2e.stack import Stack, expect_live_feed
from tests.e2e.test_terminal import STREAMS_WITHIN_MS, add_reliance
from tests.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]


@dataclass
class Traffic:
    """Paths that a page requested, and the JSON messages of its socket, since the last `clear`."""

    paths: list[str] = field(default_factory=list)
    sent: list[dict[str, object]] = field(default_factory=list)
    received: list[dict[str, object]] = field(default_factory=list)

    def clear(self) -> None:
        for one in (self.paths, self.sent, self.received):
            one.clear()

    @property
    def watchlist_reads(self) -> int:
        return sum(path.endswith("/watchlist/me") for path in self.paths)

    @property
    def watched(self) -> list[object]:
        return [message["id"] for message in self.sent if message["type"] == "watch"]

    @property
    def listed(self) -> list[object]:
        """Return the instruments of each answer to the watch of the watchlist."""
        return [one["instruments"] for one in self.received if one["type"] == "watching" and one["id"] == "list"]


def record_traffic(page: Page) -> Traffic:
    """Record the traffic of `page` from its next load on: a socket that is open already is not reported."""
    traffic = Traffic()

    def record_request(request: Request) -> None:
        traffic.paths.append(request.url)

    def record_socket(socket: WebSocket) -> None:
        socket.on("framesent", lambda payload: record_message(traffic.sent, payload))
        socket.on("framereceived", lambda payload: record_message(traffic.received, payload))

    page.on("request", record_request)
    page.on("websocket", record_socket)
    return traffic


def record_message(messages: list[dict[str, object]], payload: str | bytes) -> None:
    if isinstance(payload, str):  # Binary payloads are frames of quotes.
        messages.append(json.loads(payload))


def load(page: Page, stack: Stack, traffic: Traffic) -> None:
    """Load the page, wait until it has the answer to its watch of the watchlist, and forget that traffic."""
    # From another page: a URL that differs only in its fragment would load nothing. Once, so that the answer which is
    # awaited here is not that of an earlier socket.
    page.goto("about:blank")
    page.goto(stack.url)
    expect(page.locator("#entries")).not_to_have_attribute("aria-busy", "true")
    expect_live_feed(page)
    # Playwright reports messages of the socket only during a call.
    wait_until(lambda: page.title() != "" and traffic.listed != [], message="the watchlist is watched")
    traffic.clear()


def test_one_add_reads_the_list_once_and_watches_once_in_each_tab(page: Page, stack: Stack) -> None:
    other = page.context.new_page()
    elsewhere, here = record_traffic(other), record_traffic(page)
    load(other, stack, elsewhere)
    page.bring_to_front()
    load(page, stack, here)

    add_reliance(page)

    # The legs stream after the answers to all watches, so a second read would have been sent by now.
    page.wait_for_function(
        "() => document.querySelectorAll('.strike-row[data-call=live][data-put=live]').length > 20",
        timeout=STREAMS_WITHIN_MS,
    )
    expect(page.locator(".entry")).to_have_attribute("data-quote", "live")
    expect(other.locator(".entry")).to_have_count(1)
    assert here.watchlist_reads == 1
    assert here.watched == ["chain"]
    assert len(here.listed) == 1
    assert elsewhere.watchlist_reads == 1
    assert elsewhere.watched == []
    assert elsewhere.listed == here.listed


def test_a_removal_reads_the_list_once(page: Page, stack: Stack) -> None:
    traffic = record_traffic(page)
    load(page, stack, traffic)
    add_reliance(page)
    expect(page.locator(".entry")).to_have_attribute("data-quote", "live")
    traffic.clear()

    page.locator(".entry-remove").click()

    expect(page.locator("#entries-empty")).to_be_visible()
    wait_until(lambda: page.title() != "" and traffic.listed != [], message="the list is sent again")
    assert traffic.watchlist_reads == 1
    assert traffic.watched == []
    assert traffic.listed == [[]]
