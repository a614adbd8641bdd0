"""Admin of subscriptions: preload rules are edited, claims are evicted and pinned, other tables are read-only."""

from subscriptions.admin import log, operations, preload, users
