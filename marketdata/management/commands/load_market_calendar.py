"""`manage.py load_market_calendar 2027 holidays.csv`: write the sessions of a year from a file of its holidays."""

import csv
from collections.abc import Iterator
from datetime import date, time
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from marketdata import services
from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import Session, SessionKind


class Command(BaseCommand):
    """Reads a CSV with the columns day, segments (names separated by spaces, or *), kind, opens, closes, note."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("year", type=int)
        parser.add_argument("exceptions", type=Path)
        parser.add_argument("--source", default="load_market_calendar", help="the circular with these days")

    def handle(self, *_: Any, year: int, exceptions: Path, source: str, **__: Any) -> None:
        try:
            with exceptions.open(newline="", encoding="utf-8") as lines:
                read = [one for row in csv.DictReader(lines) for one in _sessions(row)]
            count = services.load_market_calendar(year=year, exceptions=read, source=source)
        except (OSError, KeyError, ValueError) as error:
            raise CommandError(f"{exceptions}: {error}") from error
        self.stdout.write(f"{count} rows for {year}.")


def _sessions(row: dict[str, str]) -> Iterator[tuple[Session, str]]:
    names = [one.name for one in ExchangeSegment] if row["segments"] == "*" else row["segments"].split()
    for name in names:
        opens, closes = (time.fromisoformat(row[one]) if row[one] else None for one in ("opens", "closes"))
        session = Session(
            ExchangeSegment[name], date.fromisoformat(row["day"]), SessionKind(row["kind"]), opens, closes
        )
        yield session, row["note"]
