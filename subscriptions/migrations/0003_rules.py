"""Seeded rows: the five connections with their leases, the gate's row, the preload rules of both profiles.

The rules are as commissioned (docs/operations.md, "Tier B"): *lean* has 21 strikes an expiry, *full* has 101 and at most
7,681 legs and futures. Staff edit the rows; an existing row stays as it is. Options of CRUDEOIL and NATURALGAS expire
once a month, so their nearest two expiries are their nearest two monthlies.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.utils import timezone

CONNECTIONS = (1, 2, 3, 4, 5)
NSE_FNO, MCX_COMM, BSE_FNO = 2, 5, 8  # ExchangeSegment, written out: a migration does not follow later code
STRIKES = {"lean": 21, "full": 101}


class Rule(NamedTuple):
    segment: int
    underlying: str
    weekly: int = 0
    monthly: int = 0
    quarterly: int = 0
    futures: int = 0

    @property
    def has_options(self) -> bool:
        return bool(self.weekly or self.monthly or self.quarterly)


RULES: Mapping[str, Sequence[Rule]] = {
    "lean": [
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
    ],
    "full": [
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
    ],
}


def add_connections(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    now = timezone.now()
    connections = apps.get_model("subscriptions", "FeedConnection")
    leases = apps.get_model("subscriptions", "FeedLease")
    connections.objects.bulk_create([connections(number=one, since=now) for one in CONNECTIONS], ignore_conflicts=True)
    leases.objects.bulk_create([leases(connection_id=one) for one in CONNECTIONS], ignore_conflicts=True)
    apps.get_model("subscriptions", "FeedGate").objects.get_or_create(id=1)


def add_rules(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    rules = apps.get_model("subscriptions", "PreloadRule")
    rules.objects.bulk_create(
        [
            rules(
                profile=profile,
                position=position,
                exchange_segment=rule.segment,
                underlying_symbol=rule.underlying,
                weekly=rule.weekly,
                monthly=rule.monthly,
                quarterly=rule.quarterly,
                strikes=STRIKES[profile] if rule.has_options else 0,
                futures=rule.futures,
            )
            for profile, rows in RULES.items()
            for position, rule in enumerate(rows, start=1)
        ],
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0002_triggers")]

    # Backwards the rows stay: they go with their tables, and a repeated migration ignores rows that exist.
    operations = [
        migrations.RunPython(add_connections, migrations.RunPython.noop),
        migrations.RunPython(add_rules, migrations.RunPython.noop),
    ]
