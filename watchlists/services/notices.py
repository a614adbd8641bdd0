"""Notices to open browsers about changes of their lists. Sent after the commit; a failed delivery undoes nothing."""

from collections.abc import Iterable, Mapping

from django.db import transaction

from marketdata import notices


def send_on_commit(user_ids: Iterable[int], *messages: Mapping[str, str]) -> None:
    """Send messages to the open browsers of these users once the transaction is committed."""
    receivers = list(user_ids)
    transaction.on_commit(lambda: notices.send(user_ids=receivers, messages=messages))
