"""Imports of instrument files one after the other, and what they find."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from marketdata import services
from marketdata.domain.list_rules import ListRule
from marketdata.models import InstrumentImport
from tests import instrument_files as made
from tests.instrument_files import Row

NOW = datetime(2026, 2, 10, 2, 30, tzinfo=UTC)
TODAY = date(2026, 2, 10)
EXPIRY, STRIKE, OPTION_TYPE = "SEM_EXPIRY_DATE", "SEM_STRIKE_PRICE", "SEM_OPTION_TYPE"
LOT, TICK, NAME, ID = "SEM_LOT_UNITS", "SEM_TICK_SIZE", "SEM_TRADING_SYMBOL", "SEM_SMST_SECURITY_ID"
OPTIONS = "OPTIDX OPTSTK OPTFUT"
STOCK_DERIVATIVES = "OPTSTK FUTSTK"


def run(
    path: Path,
    rows: Sequence[Row],
    *,
    as_of: date = TODAY,
    now: datetime = NOW,
    accepts: int | None = None,
    is_dry_run: bool = False,
) -> InstrumentImport:
    """Import `rows` from a file, always under the same path."""
    source = made.write_file(path / "list.csv", rows)
    return services.import_instruments(source=source, as_of=as_of, now=now, accepts=accepts, is_dry_run=is_dry_run)


def rules(record: InstrumentImport) -> set[str]:
    """Return the rules of the findings."""
    return {one["rule"] for one in record.findings}


def numbers(record: InstrumentImport, rule: ListRule) -> dict[str, tuple[int, int]]:
    """Return the counts in the list and in the file of each finding by `rule`, by its subject."""
    return {one["subject"]: (one["before"], one["after"]) for one in record.findings if one["rule"] == rule}


def scaled(factor: str) -> Callable[[str], str]:
    """Return the edit that multiplies a number."""
    return lambda text: f"{Decimal(text) * Decimal(factor):f}"


def index_of_its_own(day_one: list[Row], *, spelling: str) -> list[Row]:
    """Return the rows with FOCIT, an index that is no key index, and a future on it."""
    index = next(row for row in day_one if row[ID] == "51")
    option = next(row for row in day_one if made.is_of(row, symbol="SENSEX", kinds="OPTIDX"))
    contract = option[NAME].replace("SENSEX", "FOCIT")
    return [*day_one, index | {ID: "850", NAME: spelling}, option | {ID: "990001", NAME: contract}]
