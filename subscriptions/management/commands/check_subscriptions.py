"""`manage.py check_subscriptions [--repair]`: says where claims, subscriptions, loads, sockets and board differ.

Ends with 1 if any difference is left. Owners need a moment for what has just changed, so that what only they differ
in is looked at again for a while before it is said.
"""

import time
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand
from django.utils import timezone

from subscriptions import services

ACTOR: Final = "check_subscriptions"
LOOK_AGAIN_SECONDS: Final = 0.5


class Command(BaseCommand):
    """Compare, and mend."""

    help = "Compares claims, subscriptions, loads, owners and the quote board; ends with 1 if they differ."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repair", action="store_true", help="mend what can be repaired, in one transaction")
        parser.add_argument("--wait", type=float, default=10.0, help="seconds that owners get to catch up")

    def handle(self, *, repair: bool, wait: float, **_options: Any) -> None:
        deadline = time.monotonic() + wait
        found = services.check(repair=repair, actor=ACTOR, now=timezone.now())
        repaired = [one for one in found if one.is_repaired]
        rows = [one for one in found if not one.is_repaired and not one.is_of_owners]
        owners = [one for one in found if one.is_of_owners]
        while owners and time.monotonic() < deadline:
            time.sleep(LOOK_AGAIN_SECONDS)
            owners = services.check_owners()
        left = rows + owners
        for one in (*repaired, *left):
            self.stdout.write(str(one))
        self.stdout.write(f"{len(repaired)} repaired, {len(left)} left" if repaired or left else "no differences")
        if left:
            raise SystemExit(1)
