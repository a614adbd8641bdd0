"""Announces to the browser sockets of a user that a login session may have ended: they check theirs at once."""

from typing import Any

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.models import Session
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from marketdata import notices


@receiver(post_delete, sender=Session)
def announce_log_out(instance: Session, **_: Any) -> None:
    """A log-out and a new session key delete the session."""
    user_id = instance.get_decoded().get(SESSION_KEY)
    if user_id is not None:
        notices.send_on_commit([int(user_id)], notices.LOGIN_CHANGED)


@receiver(post_save, sender=get_user_model())
def announce_user(instance: Any, *, created: bool, update_fields: frozenset[str] | None = None, **_: Any) -> None:
    """A new password or a deactivation is saved with the user; a login saves only its time."""
    if not created and update_fields != frozenset({"last_login"}):
        notices.send_on_commit([instance.pk], notices.LOGIN_CHANGED)


@receiver(post_delete, sender=get_user_model())
def announce_deletion(instance: Any, **_: Any) -> None:
    """The sessions of a deleted user remain in their table."""
    notices.send_on_commit([instance.pk], notices.LOGIN_CHANGED)
