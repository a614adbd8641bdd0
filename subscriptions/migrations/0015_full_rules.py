"""The preload rules of the full profile, as commissioned: 101 strikes an expiry, at most 7,681 legs and futures.

Staff edit the rows; a rule that already stands is left as it is.
"""

from typing import NamedTuple

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

PROFILE = "full"
STRIKES = 101
NSE_FNO, MCX_COMM, BSE_FNO = 2, 5, 8


class Rule(NamedTuple):
    segment: int
    underlying: str
    weekly: int = 0
    monthly: int = 0
    quarterly: int = 0
    futures: int = 0


RULES = [
    Rule(NSE_FNO, "NIFTY", weekly=8, quarterly=4),
    Rule(NSE_FNO, "BANKNIFTY", monthly=1, quarterly=4),
    Rule(BSE_FNO, "SENSEX", weekly=4, monthly=1),
    Rule(NSE_FNO, "FINNIFTY", monthly=1, quarterly=3),
    Rule(NSE_FNO, "MIDCPNIFTY", monthly=1, quarterly=3),
    Rule(BSE_FNO, "BANKEX", monthly=1, quarterly=3),
    Rule(MCX_COMM, "GOLD", futures=1),
    Rule(MCX_COMM, "SILVER", futures=1),
    Rule(MCX_COMM, "COPPER", futures=1),
    Rule(MCX_COMM, "CRUDEOIL", monthly=2, futures=1),
    Rule(MCX_COMM, "NATURALGAS", monthly=2, futures=1),
]


def add(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor | None) -> None:
    rules = apps.get_model("subscriptions", "PreloadRule")
    rules.objects.bulk_create(
        [
            rules(
                profile=PROFILE,
                position=position,
                exchange_segment=rule.segment,
                underlying_symbol=rule.underlying,
                weekly=rule.weekly,
                monthly=rule.monthly,
                quarterly=rule.quarterly,
                strikes=STRIKES if rule.monthly or rule.weekly or rule.quarterly else 0,
                futures=rule.futures,
            )
            for position, rule in enumerate(RULES, start=1)
        ],
        ignore_conflicts=True,
    )


def remove(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("subscriptions", "PreloadRule").objects.filter(profile=PROFILE).delete()


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0014_lost_connections")]

    operations = [migrations.RunPython(add, remove)]
