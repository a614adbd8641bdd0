"""The broker's REST endpoints that the terminal uses, and both instrument files.

Bodies follow recorded answers (2024-2026) and the documentation: marketfeed/ltp, ohlc and quote, optionchain, its
expirylist, charts/historical and intraday, profile, and errors in both formats of the broker. The paths of `logins` and
`control` are added. Prices are those of the market of the feed.
"""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from marketdata.dhan.scrip_master import Layout
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey, InstrumentType
from simulator import answer_faults, control, daily_candles, intraday_candles, logins
from simulator.accounts import Credentials, Reason
from simulator.feed_server import FeedServer
from simulator.instrument_files import InstrumentFiles
from simulator.listing import Listing
from simulator.logins import IST, UNAUTHENTICATED, LoginRules
from simulator.option_chains import OptionChains, rupees
from simulator.rate_limits import CHAIN_SECONDS, RateLimit

MAX_INSTRUMENTS = 1_000  # documented: of one call of marketfeed (Market Quote)
TOO_MANY_REQUESTS = "Too many requests. Further requests may result in the user being blocked."
TOO_MANY_INSTRUMENTS = "Requested number of instruments exceeds limit"

Endpoint = Callable[[Request], Awaitable[Response]]
Body = dict[str, Any]


class RefusalError(Exception):
    """An error answer in the format of the broker."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def trading_error(status: int, kind: str, code: str, message: str) -> RefusalError:
    """Return an error in the format of the trading APIs."""
    return RefusalError(status, {"errorType": kind, "errorCode": code, "errorMessage": message})


def data_error(status: int, code: int, message: str) -> RefusalError:
    """Return an error in the format of the Data APIs."""
    return RefusalError(status, {"data": {str(code): message}, "status": "failed"})


def bad_input() -> RefusalError:
    """Return the broker's error for an invalid request, verbatim."""
    return trading_error(400, "Input_Exception", "DH-905", "Missing required fields, bad values for parameters etc.")


def no_data() -> RefusalError:
    """Return the broker's error for a range without candles, or an instrument that it does not know."""
    message = "System is unable to fetch data due to incorrect parameters or no data present"
    return trading_error(400, "Data_Error", "DH-907", message)


def make_app(feed: FeedServer, files: InstrumentFiles, login_rules: LoginRules) -> Starlette:
    """Return the application over the market of `feed`, the files of its listing and the tokens of its account."""
    api = _Api(feed, files.listing)

    def instrument_file(wanted: Layout) -> Endpoint:
        async def answer(_request: Request) -> Response:
            chunks = files.chunks(wanted)
            if chunks is None:
                return PlainTextResponse(
                    f"This simulator serves a {files.layout} master; a {wanted} one is not available.", status_code=404
                )
            return StreamingResponse(chunks, media_type="text/csv")

        return answer

    return Starlette(
        routes=[
            Route("/v2/marketfeed/ltp", api.ltp, methods=["POST"]),
            Route("/v2/marketfeed/ohlc", api.ohlc, methods=["POST"]),
            Route("/v2/marketfeed/quote", api.quote, methods=["POST"]),
            Route("/v2/optionchain", api.option_chain, methods=["POST"]),
            Route("/v2/optionchain/expirylist", api.expiry_list, methods=["POST"]),
            Route("/v2/charts/historical", api.historical, methods=["POST"]),
            Route("/v2/charts/intraday", api.intraday, methods=["POST"]),
            Route("/v2/profile", api.profile, methods=["GET"]),
            Route("/api-data/api-scrip-master.csv", instrument_file(Layout.COMPACT)),
            Route("/api-data/api-scrip-master-detailed.csv", instrument_file(Layout.DETAILED)),
            *logins.routes(feed.account, login_rules, feed.faults),
            *control.routes(feed),
        ],
        exception_handlers={RefusalError: _refused, HTTPException: _no_such_path},
    )


async def _refused(_request: Request, refusal: Exception) -> Response:
    return (
        _json(refusal.body, status=refusal.status) if isinstance(refusal, RefusalError) else Response(status_code=500)
    )


async def _no_such_path(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    phrase = "Not Found" if status == 404 else "Method Not Allowed"
    body = {"timestamp": time.time_ns() // 1_000_000, "status": status, "error": phrase, "path": request.url.path}
    return _json(body, status=status)


def _json(body: object, *, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")


class _Api:
    """The broker's endpoints."""

    def __init__(self, feed: FeedServer, listing: Listing) -> None:
        self._feed = feed
        self._market = feed.market
        self._listing = listing
        self._chains = OptionChains(listing)
        self._quote_calls = RateLimit(1, 1.0)
        self._data_calls = RateLimit(5, 1.0)
        self._chain_calls = RateLimit(1, CHAIN_SECONDS)

    async def ltp(self, request: Request) -> Response:
        return await self._marketfeed(request, self._last_price)

    async def ohlc(self, request: Request) -> Response:
        return await self._marketfeed(request, self._day)

    async def quote(self, request: Request) -> Response:
        return await self._marketfeed(request, self._everything)

    async def expiry_list(self, request: Request) -> Response:
        self._authenticate(request)
        segment, security_id, _ = _asked_underlying(await _read_json(request))
        self._allow(self._data_calls.take(time.monotonic()))
        expiries = self._chains.expiries(segment, security_id)
        if expiries is None:
            raise data_error(400, 813, "Invalid SecurityId")
        return self._respond({"data": [str(expiry) for expiry in expiries], "status": "success"})

    async def option_chain(self, request: Request) -> Response:
        self._authenticate(request)
        segment, security_id, wanted = _asked_underlying(await _read_json(request))
        if wanted is None:
            raise bad_input()
        now = time.monotonic()
        self._allow(self._chain_calls.take(now, (segment, security_id, wanted)) and self._data_calls.take(now))
        try:
            expiry = date.fromisoformat(wanted)
        except ValueError:
            raise data_error(400, 812, "Invalid Date Format") from None
        chain = self._chains.chain(segment, security_id, expiry, market=self._market, now=time.time())
        if chain is None:
            raise data_error(400, 811, "Invalid Expiry Date")
        return self._respond({"data": chain, "status": "success"})

    async def historical(self, request: Request) -> Response:
        self._authenticate(request, needs_client_id=False)
        body = await _read_json(request)
        key, kind = _asked_instrument(body)
        try:
            first, end = (date.fromisoformat(body[name]) for name in ("fromDate", "toDate"))
        except (KeyError, TypeError, ValueError):
            raise bad_input() from None
        self._allow(self._data_calls.take(time.monotonic()))
        row = self._listed_row(key, kind)
        columns = daily_candles.list_candles(
            self._market, row, first=first, end=end, today=datetime.now(IST).date(), with_oi=body.get("oi") is True
        )
        return self._respond_candles(columns)

    async def intraday(self, request: Request) -> Response:
        self._authenticate(request, needs_client_id=False)
        body = await _read_json(request)
        key, kind = _asked_instrument(body)
        try:
            first, last = (datetime.fromisoformat(body[name]).replace(tzinfo=IST) for name in ("fromDate", "toDate"))
            minutes = int(body["interval"])
        except (KeyError, TypeError, ValueError):
            raise bad_input() from None
        if minutes not in intraday_candles.INTERVALS or last - first > timedelta(days=intraday_candles.LONGEST_DAYS):
            raise bad_input()
        if len(body["toDate"]) == len("YYYY-MM-DD"):  # Of a date alone the whole day is meant.
            last += timedelta(days=1) - timedelta(seconds=1)
        self._allow(self._data_calls.take(time.monotonic()))
        row = self._listed_row(key, kind)
        # Of an option the levels of its driver say nothing: only spots and futures have candles here.
        if self._market.contracts.is_option[row]:
            raise no_data()
        now = datetime.now(IST)
        self._market.advance(now.timestamp())
        self._market.refresh_stale(np.array([row], dtype=np.intp), now.timestamp())
        columns = intraday_candles.list_candles(self._market, row, first=first, last=last, now=now, minutes=minutes)
        return self._respond_candles(columns)

    async def profile(self, request: Request) -> Response:
        self._authenticate(request, needs_client_id=False)
        now = datetime.now(IST)
        end = self._feed.account.tokens.expires_at() or now + timedelta(hours=24)
        return self._respond(
            {
                "dhanClientId": self._feed.account.client_id,
                "tokenValidity": f"{end.astimezone(IST):%d/%m/%Y %H:%M}",
                "activeSegment": "Equity, Derivative, Currency, Commodity",
                "ddpi": "Active",
                "mtf": "Active",
                "dataPlan": "Active",
                "dataValidity": f"{now + timedelta(days=30):%Y-%m-%d %H:%M:%S}.0",
            }
        )

    async def _marketfeed(self, request: Request, shape: Callable[[int], Body]) -> Response:
        self._authenticate(request)
        asked = _asked_instruments(await _read_json(request))
        self._allow(self._quote_calls.take(time.monotonic()))
        if sum(len(ids) for ids in asked.values()) > MAX_INSTRUMENTS:
            raise data_error(400, 804, TOO_MANY_INSTRUMENTS)
        found = {
            segment: {one: row for one in ids if (row := self._row(segment, one)) is not None}
            for segment, ids in asked.items()
        }
        # Distinct rows: a trade in a row must happen once.
        rows = sorted({row for ids in found.values() for row in ids.values()})
        self._market.refresh_stale(np.array(rows, dtype=np.intp), time.time())
        return self._respond(
            {
                "data": {
                    segment.name: {str(one): shape(row) for one, row in ids.items()} for segment, ids in found.items()
                },
                "status": "success",
            }
        )

    def _respond(self, body: Body) -> Response:
        return answer_faults.respond(body, self._feed.faults)

    def _respond_candles(self, columns: dict[str, list[float]]) -> Response:
        if not columns["timestamp"]:
            raise no_data()
        return answer_faults.respond(columns, self._feed.faults, daily_candles.encode)

    def _listed_row(self, key: InstrumentKey, kind: InstrumentType) -> int:
        """Return the row of an instrument of that type."""
        row = self._market.row_of.get(key)
        if row is None or self._listing[row].type is not kind:
            raise no_data()
        return row

    def _row(self, segment: ExchangeSegment, security_id: int) -> int | None:
        return self._market.row_of.get(InstrumentKey(segment, security_id))

    def _authenticate(self, request: Request, *, needs_client_id: bool = True) -> None:
        account = self._feed.account
        client_id = request.headers.get("client-id") if needs_client_id else account.client_id
        shown = Credentials(client_id or "", request.headers.get("access-token", ""))
        match account.refusal_of(shown, now=datetime.now(UTC)):
            case None:
                return
            # The broker answers a revoked token as an order error, with status 400 (recorded).
            case Reason.TOKEN_INVALID:
                raise trading_error(400, "Order_Error", "DH-906", "Invalid Token")
            case _:
                raise RefusalError(401, UNAUTHENTICATED)

    def _allow(self, is_allowed: bool) -> None:  # noqa: FBT001  # The one argument of a private method.
        if not is_allowed:
            raise data_error(429, 805, TOO_MANY_REQUESTS)

    def _last_price(self, row: int) -> Body:
        return {"last_price": rupees(self._market.bodies["ltp"][row])}

    def _day(self, row: int) -> Body:
        body = self._market.bodies[row]
        ohlc = {name: rupees(body[f"day_{name}"]) for name in ("open", "close", "high", "low")}
        return {"last_price": rupees(body["ltp"]), "ohlc": ohlc}

    def _everything(self, row: int) -> Body:
        body = self._market.bodies[row]
        close = rupees(body["day_close"])
        return {
            "average_price": rupees(body["average_price"]),
            "buy_quantity": int(body["total_buy_quantity"]),
            "depth": {"buy": _levels(body["depth"], "bid"), "sell": _levels(body["depth"], "ask")},
            "last_quantity": int(body["ltq"]),
            "last_trade_time": f"{datetime.fromtimestamp(int(body['ltt']), UTC):%d/%m/%Y %H:%M:%S}",
            "lower_circuit_limit": round(close * 0.8, 2),
            "net_change": round(rupees(body["ltp"]) - close, 2),
            **self._day(row),
            "oi": int(body["oi"]),
            "oi_day_high": int(body["oi_day_high"]),
            "oi_day_low": int(body["oi_day_low"]),
            "sell_quantity": int(body["total_sell_quantity"]),
            "upper_circuit_limit": round(close * 1.2, 2),
            "volume": int(body["volume"]),
        }


async def _read_json(request: Request) -> Body:
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        raise bad_input() from None
    if not isinstance(body, dict):
        raise bad_input()
    return body


def _asked_instruments(body: Body) -> dict[ExchangeSegment, list[int]]:
    """Return ids by segment. Unknown segments and other keys are ignored, as by the broker."""
    asked: dict[ExchangeSegment, list[int]] = {}
    for name, ids in body.items():
        if not isinstance(ids, list):
            continue
        try:
            numbers = [int(one) for one in ids]
        except (TypeError, ValueError):
            raise bad_input() from None
        if name in ExchangeSegment.__members__:
            # Distinct ids: the answer has each instrument once, and the limit counts it once.
            asked[ExchangeSegment[name]] = list(dict.fromkeys(numbers))
    return asked


def _asked_instrument(body: Body) -> tuple[InstrumentKey, InstrumentType]:
    try:
        key = InstrumentKey(ExchangeSegment[body["exchangeSegment"]], int(body["securityId"]))
        return key, InstrumentType(body["instrument"])
    except (KeyError, TypeError, ValueError):
        raise bad_input() from None


def _asked_underlying(body: Body) -> tuple[ExchangeSegment, int, str | None]:
    try:
        expiry = body.get("Expiry")
        return ExchangeSegment[body["UnderlyingSeg"]], int(body["UnderlyingScrip"]), expiry and str(expiry)
    except (KeyError, TypeError, ValueError):
        raise bad_input() from None


def _levels(depth: np.ndarray[Any, np.dtype[np.void]], side: str) -> list[Body]:
    return [
        {
            "quantity": int(level[f"{side}_quantity"]),
            "orders": int(level[f"{side}_orders"]),
            "price": rupees(level[f"{side}_price"]),
        }
        for level in depth
    ]
