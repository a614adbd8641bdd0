"""After an import of the instrument file: entries follow their contracts, with their claims, in one transaction.

`subscriptions` makes the claims follow; the entries are compared with the listing by the same rules, independently of
their claims, because kept entries have none at night. Nothing remembers which entries are done: each refers to a listed
item afterwards or is removed, and its trader gets one notice. Entries of expired contracts are left to the morning.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from django.db import connection
from django.db.models import F, Q

from marketdata import notices
from marketdata import selectors as market
from marketdata import services as market_services
from marketdata.domain.instruments import ExchangeSegment, SeriesKey, describe_contract
from marketdata.domain.succession import Change
from subscriptions import services as subscriptions
from subscriptions.domain.claims import LogReason
from watchlists.models import WatchlistEntry
from watchlists.services.wording import describe_entry

logger = logging.getLogger(__name__)

ACTOR: Final = "follow_contracts"
FOLLOWED_NOTICE: Final = "followed"
NOT_LISTED_NOTICE: Final = "not_listed"

_FOLLOW: Final = """
UPDATE watchlist SET instrument_id = present.instrument_id, exchange_segment = present.segment,
    underlying_symbol = present.symbol, expiry = present.expiry
FROM unnest(%s::bigint[], %s::bigint[], %s::smallint[], %s::varchar[], %s::date[])
    AS present (id, instrument_id, segment, symbol, expiry)
WHERE watchlist.id = present.id
"""


@dataclass(frozen=True, slots=True)
class _Target:
    """The columns of an entry that name its target, and the target as traders read it."""

    instrument_id: int | None
    segment: int | None
    symbol: str
    expiry: date | None
    words: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True, slots=True)
class EntryChange:
    """One entry that must follow (`present`) or be removed; `is_duplicate`: the present target is on the list."""

    entry: WatchlistEntry
    former: _Target
    change: Change | None = None
    present: _Target | None = None
    is_duplicate: bool = False

    def __str__(self) -> str:
        """Return the sentence for the trader, without a full stop."""
        if self.present is None:
            return str(self.former)
        is_same_name = str(self.former) == str(self.present)
        now_is = "has another id at the exchange now" if is_same_name else f"is {self.present} now"
        return f"{self.former} {now_is}" + (", which is on your list already" if self.is_duplicate else "")


@dataclass(frozen=True, slots=True)
class FollowedEntries:
    """Number of entries that followed and that were removed."""

    followed: int = 0
    removed: int = 0


def follow_contracts(*, now: datetime) -> FollowedEntries:
    """Make claims and entries refer to listed items, once after each import; one query if there was none since.

    Raises PlacementBusy; the next run tries again.
    """
    import_id = market.find_unfollowed_import()
    if import_id is None:
        return FollowedEntries()
    prices = subscriptions.list_spot_prices(subscriptions.review_claims(), now=now)
    with subscriptions.placement(now=now):
        review = subscriptions.review_claims()
        lost = [one.claim.pk for one in review.released]
        stopped = list(WatchlistEntry.objects.filter(claim__in=lost).select_related("instrument").order_by("pk"))
        subscriptions.apply_review(review, prices, now=now)
        changes = review_entries()
        apply_changes(changes, actor=ACTOR, now=now)
        _notify_stopped(stopped, changes)
        market_services.note_followed(import_id=import_id, now=now)
    removed = sum(one.present is None or one.is_duplicate for one in changes)
    if changes:
        logger.info("contracts changed: %d entries followed, %d removed", len(changes) - removed, removed)
    return FollowedEntries(len(changes) - removed, removed)


def review_entries() -> Sequence[EntryChange]:
    """Return the entries that no longer refer to a listed item under its present name; reads only."""
    found = [*_review_instruments(), *_review_series()]
    users = {one.entry.user_id for one in found}
    columns = ("user_id", "list_name", "instrument_id", "exchange_segment", "underlying_symbol", "expiry")
    rows = WatchlistEntry.objects.filter(user__in=users).values_list(*columns)
    taken = {(user_id, name, _Target(*target)) for user_id, name, *target in rows}
    changes = []
    for one in sorted(found, key=lambda one: one.entry.pk):
        target = None if one.present is None else (one.entry.user_id, one.entry.list_name, one.present)
        is_duplicate = target is not None and target in taken
        changes.append(EntryChange(one.entry, one.former, one.change, one.present, is_duplicate))
        if target is not None:
            taken.add(target)
    return changes


def apply_changes(changes: Sequence[EntryChange], *, actor: str, now: datetime) -> None:
    """Write these changes with their audit rows and notices; the caller owns the placement lock."""
    if not changes:
        return
    # Read again: the claims have followed since.
    entries = WatchlistEntry.objects.select_related("claim").in_bulk([one.entry.pk for one in changes])
    kept = [one for one in changes if one.present is not None and not one.is_duplicate]
    gone = [one for one in changes if one.present is None or one.is_duplicate]
    claims = [claim for one in gone if (claim := entries[one.entry.pk].claim) is not None]
    subscriptions.release(claims, cause=subscriptions.Cause(LogReason.DUPLICATE, actor, now))
    WatchlistEntry.objects.filter(pk__in=[one.entry.pk for one in gone]).delete()
    targets = [one.present for one in kept if one.present is not None]
    with connection.cursor() as cursor:
        cursor.execute(
            _FOLLOW,
            [
                [one.entry.pk for one in kept],
                [one.instrument_id for one in targets],
                [one.segment for one in targets],
                [one.symbol for one in targets],
                [one.expiry for one in targets],
            ],
        )
    subscriptions.record_followed(
        [
            (str(one.change), f"{one.former} to {one.present}")
            for one in kept
            if _is_logged_here(entries[one.entry.pk], one)
        ],
        actor=actor,
        now=now,
    )
    _notify(changes)


def _is_logged_here(entry: WatchlistEntry, change: EntryChange) -> bool:
    """Return whether no claim has the audit row: there is none, or its instrument stays under another name."""
    return entry.claim is None or (
        change.former.instrument_id is not None and entry.claim.instrument_id == change.former.instrument_id
    )


def _review_instruments() -> Iterable[EntryChange]:
    instrument_differs = ~Q(underlying_symbol=F("instrument__underlying_symbol")) | ~Q(
        expiry__isnull=True, instrument__expiry__isnull=True
    ) & ~Q(expiry=F("instrument__expiry"))
    entries = list(
        WatchlistEntry.objects.filter(instrument__isnull=False)
        .filter(Q(instrument__is_listed=False) | instrument_differs)
        .select_related("instrument")
    )
    gone = [
        one.instrument_id for one in entries if one.instrument_id and one.instrument and not one.instrument.is_listed
    ]
    successors = market.list_successors(instrument_ids=gone)
    present = market.list_instruments(instrument_ids=[one.instrument_id for one in successors.values() if one])
    for entry in entries:
        former, instrument = _target_of(entry), entry.instrument
        if instrument is None or (not instrument.is_listed and instrument.pk not in successors):
            continue
        change = Change.EXPIRY_MOVED if entry.underlying_symbol == instrument.underlying_symbol else Change.RENAMED
        if not instrument.is_listed:
            one = successors[instrument.pk]
            if one is None:
                yield EntryChange(entry, former)
                continue
            change, instrument = one.change, present[one.instrument_id]
        symbol, expiry = instrument.underlying_symbol, instrument.expiry
        words = describe_contract(symbol, expiry, instrument.strike, instrument.option_type)
        yield EntryChange(entry, former, change, _Target(instrument.pk, None, symbol, expiry, words))


def _review_series() -> Iterable[EntryChange]:
    entries = list(WatchlistEntry.objects.filter(instrument=None))
    keys = {entry.pk: key for entry in entries if (key := _series_of(entry)) is not None}
    successors = market.list_series_successors(keys=set(keys.values()))
    for entry in entries:
        key = keys.get(entry.pk)
        if key is None or key not in successors:
            continue
        one = successors[key]
        if one is None:
            yield EntryChange(entry, _target_of(entry))
        else:
            series = one.series
            words = describe_contract(series.underlying, series.expiry)
            target = _Target(None, int(series.segment), series.underlying, series.expiry, words)
            yield EntryChange(entry, _target_of(entry), one.change, target)


def _series_of(entry: WatchlistEntry) -> SeriesKey | None:
    if entry.exchange_segment is None or entry.expiry is None:
        return None
    return SeriesKey(ExchangeSegment(entry.exchange_segment), entry.underlying_symbol, entry.expiry)


def _target_of(entry: WatchlistEntry) -> _Target:
    columns = entry.instrument_id, entry.exchange_segment, entry.underlying_symbol, entry.expiry
    return _Target(*columns, describe_entry(entry))


def _notify(changes: Sequence[EntryChange]) -> None:
    """Send each trader one notice of the entries that followed, and one of those that are not listed any more."""
    followed: dict[int, list[str]] = defaultdict(list)
    removed: dict[int, list[str]] = defaultdict(list)
    for one in changes:
        (removed if one.present is None else followed)[one.entry.user_id].append(str(one))
    for user_id, sentences in followed.items():
        _send(user_id, FOLLOWED_NOTICE, f"{'; '.join(dict.fromkeys(sentences))}.")
    for user_id, names in removed.items():
        text = f"No longer listed and removed from your watchlist: {', '.join(dict.fromkeys(names))}."
        _send(user_id, NOT_LISTED_NOTICE, text)


def _notify_stopped(stopped: Sequence[WatchlistEntry], changes: Sequence[EntryChange]) -> None:
    """Notify the traders of entries that stay on their lists and lost their claim: there is no spot for them."""
    changed = {one.entry.pk for one in changes}
    names: Mapping[int, list[str]] = defaultdict(list)
    for entry in stopped:
        if entry.pk not in changed:
            names[entry.user_id].append(str(_target_of(entry)))
    for user_id, targets in names.items():
        text = f"Streaming stopped, the underlying is not listed: {', '.join(dict.fromkeys(targets))}."
        _send(user_id, NOT_LISTED_NOTICE, text)


def _send(user_id: int, kind: str, text: str) -> None:
    notices.send_on_commit([user_id], notices.WATCHLIST_CHANGED, notices.notice(kind, text))
