"""The ASGI handler: a request stays in one thread, whatever forms its middleware has."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from django.utils.decorators import sync_only_middleware
from django.utils.deprecation import MiddlewareMixin
from pytest_django import Settings

from terminal.http_handler import OneThreadHandler

Answer = Callable[[HttpRequest], HttpResponseBase]
threads: list[int] = []


def view(_request: HttpRequest) -> HttpResponse:
    threads.append(threading.get_ident())
    return HttpResponse("answered")


def failing_view(_request: HttpRequest) -> HttpResponse:
    raise ValueError("a bug")


urlpatterns = [path("view", view), path("bug", failing_view)]


@sync_only_middleware
def synchronous(get_response: Answer) -> Answer:
    def answer(request: HttpRequest) -> HttpResponseBase:
        threads.append(threading.get_ident())
        return get_response(request)

    return answer


class Both(MiddlewareMixin):
    def process_request(self, _request: HttpRequest) -> None:
        threads.append(threading.get_ident())


@pytest.fixture(autouse=True)
def project(settings: Settings) -> None:
    threads.clear()
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [f"{__name__}.Both", f"{__name__}.synchronous", f"{__name__}.Both"]


async def ask(where: str) -> tuple[int, bytes]:
    """Return status and body of a GET."""
    scope: Any = {"type": "http", "method": "GET", "path": where, "query_string": b"", "headers": []}
    received: asyncio.Queue[Any] = asyncio.Queue()
    received.put_nowait({"type": "http.request", "body": b""})
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    # A client that waits: the second message never comes.
    await OneThreadHandler()(scope, received.get, send)
    return sent[0]["status"], sent[1]["body"]


def test_middleware_and_view_run_in_one_thread_beside_the_event_loop() -> None:
    assert asyncio.run(ask("/view")) == (200, b"answered")

    assert len(threads) == 4
    assert set(threads) != {threading.get_ident()}
    assert len(set(threads)) == 1


def test_unknown_paths_and_bugs_are_answered() -> None:
    assert asyncio.run(ask("/nowhere"))[0] == 404
    assert asyncio.run(ask("/bug"))[0] == 500
