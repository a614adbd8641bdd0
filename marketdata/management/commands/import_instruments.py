"""`manage.py import_instruments`: import the broker's instrument file and report the result."""

import argparse
from datetime import date
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from marketdata import services


class Command(BaseCommand):
    """Import the instrument file from a path or address, in either of the broker's formats, plain or gzip."""

    help = "Import the broker's instrument file (compact or detailed, plain or gzip)."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("source", nargs="?", default=None, help="path or http(s) address; the broker's by default")
        parser.add_argument(
            "--as-of", type=date.fromisoformat, metavar="DATE", help="skip contracts that expired before this date"
        )
        parser.add_argument("--dry-run", action="store_true", help="show the difference from the list, write nothing")
        parser.add_argument(
            "--accept", type=int, metavar="ID", help="accept the findings of this import, refused or a dry run"
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  The framework's signature.
        """Import, report, and exit 1 with the reason if the file is refused."""
        record = services.import_instruments(
            source=options["source"] or settings.DHAN_INSTRUMENTS_URL,
            as_of=options["as_of"],
            now=timezone.now(),
            accepts=options["accept"],
            is_dry_run=options["dry_run"],
            actor="command",
            progress=self.stdout.write,
        )
        self.stdout.write(f"Rows read {record.rows_read:,}, kept {record.rows_kept:,}")
        for reason, count in record.skipped.items():
            self.stdout.write(f"  skipped, {reason}: {count:,}")
        for row in record.groups:
            if row["listed"] != row["remaining"] or row["kept"] != row["remaining"]:
                self.stdout.write(
                    f"  {row['exchange']} {row['segment']} {row['kind']}: {row['listed']:,} listed, "
                    f"{row['remaining']:,} of them and {row['kept'] - row['remaining']:,} new ones in the file"
                )
        for sentence in record.notes:
            self.stdout.write(sentence)
        if record.refusal:
            how = f" To accept this difference: --accept {record.pk}" if record.findings else ""
            raise CommandError(f"Refused, nothing was changed. {record.refusal}{how}")
        if record.is_dry_run:
            self.stdout.write("A dry run: nothing was changed. The import would make these changes:")
        self.stdout.write(
            f"New {record.inserted:,}, changed {record.changed:,}, delisted {record.delisted:,} "
            f"({record.layout}, as of {record.as_of})"
        )
