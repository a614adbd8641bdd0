"""Admin of subscriptions: rules are edited, claims acted upon, what machines write is read."""

from subscriptions.admin import preload, users

__all__ = ["preload", "users"]
