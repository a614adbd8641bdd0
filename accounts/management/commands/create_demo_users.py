"""`manage.py create_demo_users`: the users of a demonstration, with the password of DEMO_PASSWORD.

Idempotent: existing users keep their data and get the password again.
"""

import os
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.models import User

TRADERS: Final = ("trader1", "trader2")
OPERATOR: Final = "staff"


class Command(BaseCommand):
    """Make `trader1`, `trader2` and `staff`."""

    help = "Makes the demo users trader1, trader2 and staff (may do everything), with the password in DEMO_PASSWORD."

    def handle(self, **_options: Any) -> None:
        password = os.environ.get("DEMO_PASSWORD", "")
        if not password:
            raise CommandError("DEMO_PASSWORD is not set: it is the password that the demo users get.")
        with transaction.atomic():
            for username in (*TRADERS, OPERATOR):
                is_operator = username == OPERATOR
                user, _ = User.objects.get_or_create(username=username)
                user.is_active, user.is_staff, user.is_superuser = True, is_operator, is_operator
                # Do not set the same password again: a new hash would end the login sessions.
                if not user.check_password(password):
                    user.set_password(password)
                user.save()
        self.stdout.write(f"Demo users: {', '.join((*TRADERS, OPERATOR))}")
