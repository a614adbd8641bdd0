"""Reads of claims and subscriptions; typed values, never half-built querysets."""

from subscriptions.selectors.preload import (
    PreloadPlan,
    PreloadState,
    PreloadThing,
    RuleState,
    plan_preload,
    preload_state,
)
from subscriptions.selectors.status import ConnectionStatus, Status, subscription_status
from subscriptions.selectors.wanted import (
    WantedInstrument,
    connection_of,
    list_claim_connections,
    list_wanted,
)

__all__ = [
    "ConnectionStatus",
    "PreloadPlan",
    "PreloadState",
    "PreloadThing",
    "RuleState",
    "Status",
    "WantedInstrument",
    "connection_of",
    "list_claim_connections",
    "list_wanted",
    "plan_preload",
    "preload_state",
    "subscription_status",
]
