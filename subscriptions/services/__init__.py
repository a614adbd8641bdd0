"""Writes of subscriptions, each one transaction under the placement lock.

Three packages, each imports only from those before it: `placement` (lock, slots, legs, audit log, moves), `claims`
(claim, release, windows, eviction, quota, views) and `passes` (the periodic tasks: preload, recentre, end of day,
expiry, unviewed chains, changed contracts, repair).
"""

from subscriptions.domain.claims import Cause
from subscriptions.services.claims.claiming import Placed, claim_chain, claim_chain_locked, claim_instrument_locked
from subscriptions.services.claims.eviction import evict_chains, set_pinned
from subscriptions.services.claims.instrument_views import claim_instrument_view, note_instruments
from subscriptions.services.claims.quota import QuotaExceeded
from subscriptions.services.claims.release import Release, UnknownClaim, delete_users, release, release_claim
from subscriptions.services.claims.view_claims import claim_view, note_windows
from subscriptions.services.claims.viewing import View, note_views, view_chain
from subscriptions.services.passes.contract_review import Review, review_claims
from subscriptions.services.passes.end_of_day import end_of_day, list_due_closings, release_tier_a
from subscriptions.services.passes.expiry import release_expired
from subscriptions.services.passes.follow_contracts import (
    FollowReport,
    apply_review,
    follow_contracts,
    list_spot_prices,
    record_followed,
)
from subscriptions.services.passes.preload import PreloadReport, preload_tier_b
from subscriptions.services.passes.recentre import RecentreReport, recentre
from subscriptions.services.passes.repair import Difference, check, check_owners
from subscriptions.services.passes.unviewed import release_unviewed
from subscriptions.services.placement.audit import drop_log_months, make_log_months
from subscriptions.services.placement.legs import CapacityExceeded
from subscriptions.services.placement.lock import PlacementBusy, placement
from subscriptions.services.placement.moves import FailOverReport, RebalanceReport, fail_over, finish_moves, rebalance
