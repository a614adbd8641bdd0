"""Encrypt the stored access token with the first of TOKEN_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from marketdata import services
from marketdata.dhan.sealing import SealError


class Command(BaseCommand):
    """To rotate: put a new key first in TOKEN_KEYS, restart, run this command, drop the old key, restart."""

    help = (
        "Encrypt the stored access token with the first of TOKEN_KEYS. Put the new key first and keep the old one "
        "after it, restart, run this, then drop the old key."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        try:
            count = services.reseal_tokens()
        except SealError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{count} stored access token{'' if count == 1 else 's'} encrypted with the first key.")
