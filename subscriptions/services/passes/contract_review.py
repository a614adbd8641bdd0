"""The claims that no longer refer to what is listed, and what each must refer to; reads only.

A claim refers to a series or to one instrument. `marketdata.selectors` finds what continues those that are gone.
Expired contracts are left to the pass that releases them. View claims do not follow: they are released, and the pages
that show the chain claim it again under its present name.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from marketdata import selectors as market_selectors
from marketdata.domain.instruments import SeriesKey
from marketdata.selectors import SeriesListing
from subscriptions.domain.claims import ClaimKind, LogReason
from subscriptions.models import Claim

Target = SeriesKey | int
"""What a claim refers to: a series, or the id of an instrument."""


@dataclass(frozen=True, slots=True)
class ClaimChange:
    """One claim that must follow (`present`) or be released (None), with the reason for the log."""

    claim: Claim
    reason: LogReason
    present: Target | None = None

    def __str__(self) -> str:
        name = f"claim {self.claim.pk} ({self.claim.subject})"
        if self.reason is LogReason.SPOT_CHANGED:
            return f"{name} has another spot than its series"
        if self.present is None:
            return f"{name} refers to an item that is not listed ({self.reason})"
        return f"{name} refers to an item that another one continues ({self.reason})"


@dataclass(frozen=True, slots=True)
class Review:
    """The claims that must change, and the present listing of every claimed series, by its present key."""

    followed: Sequence[ClaimChange] = ()
    released: Sequence[ClaimChange] = ()
    respotted: Sequence[ClaimChange] = ()
    listings: Mapping[SeriesKey, SeriesListing] = field(default_factory=dict)

    @property
    def changes(self) -> Sequence[ClaimChange]:
        """All claims that must change, each once or twice."""
        return (*self.followed, *self.released, *self.respotted)

    @property
    def new_spots(self) -> frozenset[int]:
        """The instruments that become the spot of a chain."""
        return frozenset(
            self.listings[one.present].spot_instrument_id
            for one in self.respotted
            if isinstance(one.present, SeriesKey)
        )


def review_claims() -> Review:
    """Compare the claims with the listing; reads only. Expired contracts are left to the pass that releases them."""
    today = market_selectors.market_today()
    unspotted = Claim.objects.exclude(kind=ClaimKind.SPOT).exclude(expiry__lt=today)
    claims = list(unspotted.select_related("instrument", "spot").order_by("pk"))
    targets = {_target_of(claim) for claim in claims}
    changes, listings = _read_changes(targets)
    taken = {_unique_key(claim, _target_of(claim)) for claim in claims}
    followed, released, respotted = list[ClaimChange](), list[ClaimChange](), list[ClaimChange]()
    for claim in claims:
        target = _target_of(claim)
        present, reason = changes.get(target, (target, LogReason.NOT_LISTED))
        if present != target and present is not None and _unique_key(claim, present) in taken - {None}:
            present, reason = None, LogReason.DUPLICATE
        is_respotted = isinstance(present, SeriesKey) and _has_other_spot(claim, listings[present])
        if present is not None and claim.kind == ClaimKind.VIEW and (present != target or is_respotted):
            present, reason = None, reason if present != target else LogReason.SPOT_CHANGED
        if present is None:
            released.append(ClaimChange(claim, reason))
            continue
        if present != target:
            followed.append(ClaimChange(claim, reason, present))
            taken.add(_unique_key(claim, present))
        if is_respotted:
            respotted.append(ClaimChange(claim, LogReason.SPOT_CHANGED, present))
    return Review(followed, released, respotted, listings)


def _target_of(claim: Claim) -> Target:
    target = claim.series or claim.instrument_id
    if target is None:
        raise AssertionError("a claim has a chain or an instrument")
    return target


def _unique_key(claim: Claim, target: Target) -> tuple[object, ...] | None:
    """Return what the database allows once: a target of a rule, an explicit chain of a trader. None for others."""
    if claim.kind == ClaimKind.PRELOAD:
        return claim.rule_id, target
    return (claim.user_id, claim.width, target) if claim.kind == ClaimKind.CHAIN else None


def _read_changes(
    targets: Collection[Target],
) -> tuple[Mapping[Target, tuple[Target | None, LogReason]], Mapping[SeriesKey, SeriesListing]]:
    """Return the present target (None: there is none) of each that changed, and the listings of the present series."""
    series = {one for one in targets if isinstance(one, SeriesKey)}
    changes: dict[Target, tuple[Target | None, LogReason]] = {}
    for key, followed in market_selectors.list_series_successors(keys=series).items():
        changes[key] = (followed.series, LogReason(followed.change)) if followed else (None, LogReason.NOT_LISTED)
    instruments = [one for one in targets if isinstance(one, int)]
    for instrument_id, one in market_selectors.list_successors(instrument_ids=instruments).items():
        changes[instrument_id] = (one.instrument_id, LogReason(one.change)) if one else (None, LogReason.NOT_LISTED)
    present = {changes.get(key, (key, None))[0] for key in series}
    listings = market_selectors.list_series(keys={key for key in present if isinstance(key, SeriesKey)})
    for key in series:
        # A series without a spot cannot be centered, so no claim of it can be served.
        if changes.get(key, (key, None))[0] not in listings:
            changes[key] = None, LogReason.NOT_LISTED
    return changes, listings


def _has_other_spot(claim: Claim, listing: SeriesListing) -> bool:
    return claim.spot is not None and claim.spot.instrument_id != listing.spot_instrument_id
