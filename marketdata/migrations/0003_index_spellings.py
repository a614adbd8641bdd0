"""The index whose row had another symbol than its derivatives when the table was made."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# Listed by NSE since 12 Aug 2026 (docs/dhan.md, "Instrument files").
SPELLINGS = {"NIFTY INDIA FPI 150": "NIFTYFPI"}


def add(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    spellings = apps.get_model("marketdata", "IndexSpelling").objects
    spellings.bulk_create(
        [spellings.model(spelling=spelling, symbol=symbol) for spelling, symbol in SPELLINGS.items()],
        ignore_conflicts=True,
    )


def remove(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("marketdata", "IndexSpelling").objects.filter(spelling__in=SPELLINGS).delete()


class Migration(migrations.Migration):
    dependencies = [("marketdata", "0002_market_sessions_2026")]

    operations = [migrations.RunPython(add, remove)]
