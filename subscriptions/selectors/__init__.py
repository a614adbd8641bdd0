"""Reads of claims, subscriptions and connections, as typed values."""

from subscriptions.selectors.active import (
    ActivePage,
    ActiveSubscription,
    NotSubscribed,
    SubscriptionDetail,
    get_active,
    list_active,
)
from subscriptions.selectors.claimants import (
    Affected,
    AffectedChain,
    Claimants,
    ClaimTotals,
    count_legs,
    list_affected,
    list_claim_totals,
    list_claimants,
)
from subscriptions.selectors.connections import (
    AccountCooldown,
    find_cooldown,
    list_connections,
    list_reported_connections,
    list_reports,
)
from subscriptions.selectors.drift import compare_board
from subscriptions.selectors.held import TierBHeld, get_tier_b_held, list_vanished
from subscriptions.selectors.preload import (
    PreloadPlan,
    PreloadTarget,
    RuleState,
    count_free,
    list_rule_states,
    plan_preload,
)
from subscriptions.selectors.preview import PreviewedSeries, RulePreview, preview_rule
from subscriptions.selectors.quota import QuotaClaim, list_quota_claims, read_quota_use
from subscriptions.selectors.status import (
    ON_THEIR_WAY_SECONDS,
    PlacedCounts,
    Status,
    count_placed,
    subscription_status,
)
from subscriptions.selectors.streamed_series import list_streamed_keys, list_streamed_series
from subscriptions.selectors.wanted import (
    ChainClaims,
    WantedRow,
    connection_of,
    get_chain_claims,
    is_claimed,
    list_claim_connections,
    list_wanted,
    list_wanted_rows,
    parse_wanted,
)
