"""`manage.py check_subscriptions [--repair]`: compares claims, subscriptions, entries, loads, sent sets and the
quote board.

Exits with 1 if a difference remains. Owners need a moment to reconcile a recent change, so a difference that only they
can remove is checked again until `--wait` seconds have passed.
"""

import time
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand
from django.utils import timezone

from subscriptions import services as subscriptions
from watchlists import services

ACTOR: Final = "check_subscriptions"
RECHECK_SECONDS: Final = 0.5  # chosen: owners reconcile about once a second


class Command(BaseCommand):
    """Compares, and repairs on request."""

    help = "Compares claims, subscriptions, entries, loads, owners and the quote board; exits with 1 if they differ."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repair", action="store_true", help="repair rows, in one transaction")
        parser.add_argument("--wait", type=float, default=10.0, help="seconds to wait for owners to reconcile")

    def handle(self, *, repair: bool, wait: float, **_options: Any) -> None:
        deadline = time.monotonic() + wait
        found = services.check(repair=repair, actor=ACTOR, now=timezone.now())
        repaired = [one for one in found if one.is_repaired]
        rows = [one for one in found if not one.is_repaired and not one.is_of_owners]
        owners = [one for one in found if one.is_of_owners]
        while owners and time.monotonic() < deadline:
            time.sleep(RECHECK_SECONDS)
            owners = subscriptions.check_owners()
        left = rows + owners
        for one in (*repaired, *left):
            self.stdout.write(str(one))
        self.stdout.write(f"{len(repaired)} repaired, {len(left)} left" if repaired or left else "no differences")
        services.note_left(left)
        if left:
            raise SystemExit(1)
