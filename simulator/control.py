"""The control API for tests and operators on the same machine: `/_sim/...`, on the port of the REST side.

The broker has nothing like it. Only loopback clients get an answer, even if the simulator listens on another address.

    GET    /_sim/connections      the open connections, and the most at one time (`high_water`)
    GET    /_sim/subscribed       the instruments that are subscribed on any of them
    GET    /_sim/faults           every fault, with the dial of the active ones
    PUT    /_sim/faults/<name>    {"dial": number, "connection": n-th open socket or null for all}
    DELETE /_sim/faults/<name>    switch one off
    DELETE /_sim/faults           switch all off
    POST   /_sim/token            {"hours": number}: a new token as made on the web; it revokes the one before

Refusals are `{"error": sentence}`: 404 for an unknown fault, 400 for an invalid dial or connection.
"""

import math
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator.faults import REGISTRY, Fault, FaultError, UnknownFault
from simulator.feed_server import FeedServer
from simulator.tokens import DEFAULT_HOURS

LOOPBACK_HOSTS = frozenset(("127.0.0.1", "::1"))
MAX_HOURS = 24.0 * 365  # chosen: a year; negative hours give a token that has expired

Body = dict[str, Any]


def routes(feed: FeedServer) -> list[Route]:
    """Return the routes over `feed`."""
    control = _Control(feed)
    return [
        Route("/_sim/connections", control.connections),
        Route("/_sim/subscribed", control.subscribed),
        Route("/_sim/faults", control.faults, methods=["GET", "DELETE"]),
        Route("/_sim/faults/{name}", control.fault, methods=["PUT", "DELETE"]),
        Route("/_sim/token", control.token, methods=["POST"]),
    ]


class _Control:
    """The endpoints."""

    def __init__(self, feed: FeedServer) -> None:
        self._feed = feed

    async def connections(self, request: Request) -> Response:
        _only_loopback(request)
        account = self._feed.account
        return _json(
            {
                "connections": [
                    {
                        "client_id": connection.client_id,
                        "number": connection.number,
                        "opened_at": connection.opened_at,
                        "instruments": connection.instruments,
                        "packets_sent": connection.packets_sent,
                    }
                    for connection in account.connections
                ],
                "high_water": account.high_water,
                "opened": account.opened,
                "instruments": sum(connection.instruments for connection in account.connections),
                "packets_sent": self._feed.packets_sent,
            }
        )

    async def subscribed(self, request: Request) -> Response:
        _only_loopback(request)
        keys = {key for connection in self._feed.account.connections for key in connection.distinct_keys()}
        return _json([str(key) for key in sorted(keys)])

    async def faults(self, request: Request) -> Response:
        _only_loopback(request)
        if request.method == "DELETE":
            self._feed.switch_off()
        return _json([self._described(fault) for fault in REGISTRY.values()])

    async def fault(self, request: Request) -> Response:
        _only_loopback(request)
        name = request.path_params["name"]
        try:
            if request.method == "DELETE":
                self._feed.switch_off(name)
            else:
                dial, position = _asked(await request.body())
                self._feed.switch_on(name, dial, position=position)
        except UnknownFault as error:
            return _json({"error": str(error)}, status=404)
        except FaultError as error:
            return _json({"error": str(error)}, status=400)
        return _json(self._described(REGISTRY[name]))

    async def token(self, request: Request) -> Response:
        _only_loopback(request)
        try:
            hours = _read(await request.body() or b"{}").get("hours", DEFAULT_HOURS)
        except FaultError as error:
            return _json({"error": str(error)}, status=400)
        # A bool is an int in Python, but not a number in JSON.
        if isinstance(hours, bool) or not isinstance(hours, int | float) or not -MAX_HOURS < hours < MAX_HOURS:
            return _json({"error": f"The hours must be a number between -{MAX_HOURS:g} and {MAX_HOURS:g}."}, status=400)
        token = self._feed.account.tokens.issue(now=datetime.now(UTC), hours=hours)
        return _json({"access_token": token.text, "expires_at": token.expires_at})

    def _described(self, fault: Fault) -> Body:
        switched = self._feed.faults.state(fault.name)
        return {
            "name": fault.name,
            "dial": None if switched is None else switched.dial,
            "session": None if switched is None else switched.connection,
            "default": fault.default,
            "unit": fault.unit,
            "about": fault.about,
        }


def _asked(body: bytes) -> tuple[float, int | None]:
    """Return dial and position. Raises FaultError. The dial is validated by its fault."""
    asked = _read(body)
    position = asked.get("connection")
    if position is not None and (isinstance(position, bool) or not isinstance(position, int)):
        raise FaultError("The connection must be a whole number, or null for all.")
    return asked.get("dial", math.nan), position


def _read(body: bytes) -> Body:
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        asked = None
    if not isinstance(asked, dict):
        raise FaultError("The body must be a JSON object.")
    return asked


def _only_loopback(request: Request) -> None:
    if request.client is None or request.client.host not in LOOPBACK_HOSTS:
        raise HTTPException(404)


def _json(body: object, *, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")
