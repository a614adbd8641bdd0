"""Admin of subscriptions: rules are edited, claims acted upon, what machines write is read."""

from subscriptions.admin import log, operations, preload, users

__all__ = ["log", "operations", "preload", "users"]
