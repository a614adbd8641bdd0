"""The preload rules of the lean profile, as commissioned: 21 strikes an expiry.

Staff edit the rows; a rule that already stands is left as it is. Options of CRUDEOIL and NATURALGAS expire once
a month, so their nearest two expiries are their nearest two monthlies.
"""

from typing import NamedTuple

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

PROFILE = "lean"
STRIKES = 21
NSE_FNO, MCX_COMM, BSE_FNO = 2, 5, 8


class Rule(NamedTuple):
    segment: int
    underlying: str
    weekly: int = 0
    monthly: int = 0
    quarterly: int = 0
    futures: int = 0


RULES = [
    Rule(NSE_FNO, "NIFTY", weekly=8, monthly=3, quarterly=4),
    Rule(NSE_FNO, "BANKNIFTY", monthly=5, quarterly=4),
    Rule(BSE_FNO, "SENSEX", weekly=4, monthly=1, quarterly=3),
    Rule(NSE_FNO, "FINNIFTY", monthly=5, quarterly=3),
    Rule(NSE_FNO, "MIDCPNIFTY", monthly=5, quarterly=3),
    Rule(BSE_FNO, "BANKEX", monthly=5, quarterly=3),
    Rule(MCX_COMM, "GOLD", futures=1),
    Rule(MCX_COMM, "SILVER", futures=1),
    Rule(MCX_COMM, "COPPER", futures=1),
    Rule(MCX_COMM, "CRUDEOIL", monthly=2, futures=2),
    Rule(MCX_COMM, "NATURALGAS", monthly=2, futures=2),
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
    dependencies = [("subscriptions", "0004_five_connections")]

    operations = [migrations.RunPython(add, remove)]
