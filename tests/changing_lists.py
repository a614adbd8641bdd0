"""A small market as instrument files, to import one after the other: lists that change while things are held."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path

from pytest_django import Settings

from marketdata import services
from marketdata.models import Instrument
from tests import master_lines as made
from tests.factories import NOW, put_prices

TODAY = date(2026, 2, 10)
OPTION = (
    "{exchange},{segment},{id},{kind},0,{symbol}-{expiry:%b%Y}-{strike}-{side},65.0,{symbol} {expiry:%d %b} {strike},"
    "{expiry} 14:30:00,{strike}.00000,{side},5.0000,W,OP,,"
)
FUTURE = (
    "{exchange},{segment},{id},{kind},0,{symbol}-{expiry:%b%Y}-FUT,500.0,{symbol} {expiry:%b} FUT,{expiry} 14:30:00,"
    "-0.01000,XX,10.0000,M,FUT,,"
)
WEEKLY, MONTHLY = date(2026, 2, 17), date(2026, 2, 24)
CRUDE_FUTURES = {date(2026, 2, 19): 467013, date(2026, 3, 19): 472789, date(2026, 4, 20): 486502}
CRUDE_EXPIRY = date(2026, 3, 17)


def options(
    symbol: str,
    expiry: date,
    *,
    first_id: int,
    lowest: int,
    step: int,
    strikes: int = 21,
    kind: str = "OPTIDX",
    market: tuple[str, str] = ("NSE", "D"),
) -> Sequence[str]:
    """Return the rows of one series; ids ascend by strike, call before put."""
    return [
        OPTION.format(
            exchange=market[0],
            segment=market[1],
            id=first_id + 2 * number + (side == "PE"),
            kind=kind,
            symbol=symbol,
            expiry=expiry,
            strike=lowest + step * number,
            side=side,
        )
        for number in range(strikes)
        for side in ("CE", "PE")
    ]


def future(symbol: str, expiry: date, security_id: int, *, kind: str = "FUTSTK") -> str:
    """Return the row of one future."""
    exchange, segment = ("MCX", "M") if kind == "FUTCOM" else ("NSE", "D")
    return FUTURE.format(exchange=exchange, segment=segment, id=security_id, kind=kind, symbol=symbol, expiry=expiry)


def share(symbol: str, security_id: int, *, series: str = "EQ") -> str:
    """Return the row of one share."""
    return f"NSE,E,{security_id},EQUITY,0,{symbol},1.0,{symbol.title()},,,,5.0000,NA,ES,{series},{symbol} LIMITED"


def small_market() -> list[str]:
    """Return NIFTY with two expiries, RELIANCE and TCS with futures and options, CRUDEOIL, and thirty other shares."""
    crude = [future("CRUDEOIL", expiry, one, kind="FUTCOM") for expiry, one in CRUDE_FUTURES.items()]
    return [
        made.NIFTY,
        made.BANKNIFTY,
        *options("NIFTY", WEEKLY, first_id=48200, lowest=24500, step=50),
        *options("NIFTY", MONTHLY, first_id=64800, lowest=24500, step=50),
        share("RELIANCE", 2885),
        share("TCS", 11536),
        share("KSHITIJPOL", 10407),
        share("AKZOINDIA", 1467),
        *options("RELIANCE", MONTHLY, first_id=131500, lowest=2400, step=20, kind="OPTSTK"),
        future("RELIANCE", MONTHLY, 59460),
        future("TCS", MONTHLY, 59489),
        *crude,
        *options("CRUDEOIL", CRUDE_EXPIRY, first_id=488300, lowest=5300, step=50, kind="OPTFUT", market=("MCX", "M")),
        *(share(f"OTHER{number}", 100 + number) for number in range(30)),
        *(future(f"OTHER{number}", MONTHLY, 100 + number) for number in range(30)),
    ]


def replaced(rows: Iterable[str], *changes: tuple[str, str]) -> list[str]:
    """Return `rows` with texts replaced, all at once, so that two texts can be exchanged."""
    result = []
    for row in rows:
        fitting = [(old, new) for old, new in changes if old in row]
        result.append(row.replace(*fitting[0]) if fitting else row)
    return result


def without(rows: Iterable[str], *texts: str) -> list[str]:
    """Return the rows that contain none of `texts`."""
    return [row for row in rows if not any(text in row for text in texts)]


def import_list(directory: Path, rows: Sequence[str], *, now: datetime) -> None:
    """Import `rows` under one path, as staff who accept every difference; fail if they are refused."""
    path = directory / "master.csv"
    path.write_text(made.compact_text(*rows))
    record = services.import_instruments(source=str(path), as_of=TODAY, now=now)
    if record.findings:
        record = services.import_instruments(source=str(path), as_of=TODAY, now=now, accepts=record.pk)
    assert record.refusal == ""


def start_market(settings: Settings, directory: Path) -> list[str]:
    """Import the small market at NOW, with prices of the spots; the broker does not answer. Return its rows."""
    settings.MARKET_DATE = TODAY
    settings.DHAN_REST_URL = "http://127.0.0.1:9/v2"  # no server listens there
    rows = small_market()
    import_list(directory, rows, now=NOW)
    prices = {13: 25_010.0, 2885: 2_604.0, 472789: 5_810.0, 486502: 5_990.0}
    put_prices({listed(one).pk: price for one, price in prices.items()})
    return rows


def listed(security_id: int) -> Instrument:
    """Return the listed instrument with this id."""
    return Instrument.objects.get(is_listed=True, security_id=security_id)
