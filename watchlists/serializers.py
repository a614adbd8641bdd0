"""JSON of the watchlist endpoints: request bodies, entries, and results of additions and removals.

Field names, aliases and date formats are checked here; services check that a target exists.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from rest_framework import serializers

from accounts.serializers import OwnUserField
from marketdata.domain.instruments import Exchange, OptionType, format_expiry
from marketdata.selectors import Side
from marketdata.services import Chain
from subscriptions.domain.quota import QuotaUse
from subscriptions.serializers import ChainRequest, ExpiryField, format_placed, format_quota_use
from subscriptions.services import Release
from watchlists import selectors
from watchlists.models import MAX_NAME, EntryKind, WatchlistEntry
from watchlists.selectors import ListedEntry, ListSummary
from watchlists.services import Added, RemovedEntries

QUOTE_FIELDS: Final = ("ltp", "change", "change_percent", "previous_close", "volume", "state", "source", "at")


class ListNameField(serializers.CharField):
    """The name of a list, without spaces around it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_NAME, **options)


class IdField(serializers.IntegerField):
    """The id of a row."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=2**63 - 1, **options)


class TargetSerializer(serializers.Serializer[Any]):
    """The fields that name the target of an entry: `instrument_id`, or `symbol` and the fields beside it."""

    instrument_id = IdField(required=False, allow_null=True)
    symbol = serializers.CharField(max_length=64, required=False)
    exchange = serializers.ChoiceField([one.value for one in Exchange], required=False, allow_null=True)
    expiry = ExpiryField()
    # Of one option, in rupees; the digits of the column.
    strike = serializers.DecimalField(
        max_digits=12, decimal_places=4, min_value=Decimal("0.0001"), required=False, allow_null=True
    )
    option_type = serializers.ChoiceField([one.value for one in OptionType], required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that the fields name one target, in one way."""
        given = {name for name, value in attrs.items() if value is not None}
        if "instrument_id" in given:
            others = sorted({"symbol", "exchange", "expiry", "strike", "option_type"} & given)
            if others:
                why = ["Leave it out: instrument_id names the instrument."]
                raise serializers.ValidationError(dict.fromkeys(others, why))
        elif "symbol" not in given:
            raise serializers.ValidationError({"symbol": ["This field is required."]})
        for name, other in (("strike", "option_type"), ("option_type", "strike")):
            if name in given and other not in given:
                raise serializers.ValidationError({other: [f"This field is required with {name}."]})
        return attrs


class AddSerializer(TargetSerializer, ChainRequest):
    """Body of an addition."""

    instrument_type = serializers.ChoiceField(EntryKind.choices)
    list = ListNameField(required=False)
    # Claim it again in the morning after each end of day.
    keep = serializers.BooleanField(required=False, default=False)


class RemoveSerializer(TargetSerializer):
    """Body of a removal: the id of an entry, or the fields that name its target."""

    user_id = OwnUserField()
    entry_id = IdField(required=False)
    instrument_type = serializers.ChoiceField(EntryKind.choices, required=False)
    # For a target that is on several lists.
    list = ListNameField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that the entry is named by its id or by its target, not by both."""
        has_target = "symbol" in attrs or attrs.get("instrument_id") is not None
        if ("entry_id" in attrs) == has_target:
            raise serializers.ValidationError(
                "Name the entry by entry_id, or by its symbol or instrument_id and instrument_type."
            )
        if not has_target:
            return attrs
        if "instrument_type" not in attrs:
            raise serializers.ValidationError({"instrument_type": ["This field is required."]})
        return super().validate(attrs)


def target_fields(named: Mapping[str, Any]) -> dict[str, Any]:
    """Return the validated fields that name a target, as services and selectors take them."""
    strike, option_type = named.get("strike"), named.get("option_type")
    return {
        "kind": EntryKind(named["instrument_type"]),
        "symbol": named.get("symbol"),
        "exchange": named.get("exchange"),
        "expiry": named.get("expiry"),
        "side": None if strike is None or option_type is None else Side(strike, OptionType(option_type)),
        "instrument_id": named.get("instrument_id"),
    }


class KeepSerializer(serializers.Serializer[Any]):
    """Body of a change of *keep*."""

    user_id = OwnUserField()
    entry_id = IdField()
    keep = serializers.BooleanField()


class MoveSerializer(serializers.Serializer[Any]):
    """Body of a move: `before` is the entry that then follows it; null: it becomes the last one of the list."""

    user_id = OwnUserField()
    entry_id = IdField()
    before = IdField(allow_null=True)
    list = ListNameField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that the entry is not to stand before itself."""
        if attrs["before"] == attrs["entry_id"]:
            raise serializers.ValidationError({"before": ["An entry cannot stand before itself."]})
        return attrs


class CreateListSerializer(serializers.Serializer[Any]):
    """Body of a new list."""

    user_id = OwnUserField()
    name = ListNameField()


class RenameListSerializer(CreateListSerializer):
    """Body of a new name: `list` is the present one."""

    list = ListNameField()


class DeleteListSerializer(serializers.Serializer[Any]):
    """Body of a deletion; only with `with_entries` of a list that has entries."""

    user_id = OwnUserField()
    list = ListNameField()
    with_entries = serializers.BooleanField(required=False, default=False)


def format_lists(lists: Sequence[ListSummary]) -> dict[str, Any]:
    """Return the lists of a user, in their order."""
    return {"lists": [{"name": one.name, "entries": one.entries} for one in lists]}


def format_entry(entry: WatchlistEntry) -> dict[str, Any]:
    """Return the answer to a change of an entry that leaves its claim as it is."""
    return {"entry": _format_entry(entry, selectors.exchange_of(entry))}


def format_added(added: Added) -> dict[str, Any]:
    """Return the answer to an addition."""
    placed = added.placed
    return {
        "entry": _format_entry(added.entry, added.exchange),
        "chain": _format_chain(placed.chain) if placed.chain else None,
        **format_placed(placed),
    }


def format_removed(entry: WatchlistEntry, release: Release) -> dict[str, Any]:
    """Return the answer to a removal."""
    return {
        "entry": _format_entry(entry, selectors.exchange_of(entry)),
        "released": release.released,
        "kept": release.kept,
    }


def format_watchlist(listed: Sequence[ListedEntry], *, lists: Sequence[ListSummary], quota: QuotaUse) -> dict[str, Any]:
    """Return the lists of a user, their entries, and the use of the quota."""
    entries = [_format_listed(one) for one in listed]
    return {"count": len(entries), "quota": format_quota_use(quota), **format_lists(lists), "entries": entries}


def format_release(release: Release) -> dict[str, Any]:
    """Return the answer to a release of tier A."""
    return {"claims": release.claims, "released": release.released, "kept": release.kept}


def format_cleared(removed: RemovedEntries) -> dict[str, Any]:
    """Return the answer to clearing all watchlists."""
    return {"entries": removed.entries, "claims": removed.release.claims, "released": removed.release.released}


def _format_chain(chain: Chain) -> dict[str, Any]:
    return {
        "width": chain.width,
        "atm": chain.window.atm,
        "strike_step": chain.window.strike_step,
        "lowest_strike": chain.window.lowest_strike,
        "highest_strike": chain.window.highest_strike,
        "underlying_ltp": chain.window.ltp,
        "spot_instrument_id": chain.listing.spot_instrument_id,
    }


def _format_listed(listed: ListedEntry) -> dict[str, Any]:
    return {
        **_format_entry(listed.entry, listed.exchange),
        "over": listed.is_over,
        "state": listed.state,
        "quoted_instrument_id": listed.quoted_instrument_id,
        "quote": {name: getattr(listed.quote, name) for name in QUOTE_FIELDS} if listed.quote else None,
        "width": listed.width,
        "legs": listed.legs,
    }


def _format_entry(entry: WatchlistEntry, exchange: Exchange) -> dict[str, Any]:
    # A future has no strike, and the empty text as its option type.
    leg = entry.instrument if entry.kind == EntryKind.OPTION else None
    return {
        "id": entry.pk,
        "list": entry.list_name,
        "position": entry.position,
        "instrument_type": entry.kind,
        "symbol": entry.underlying_symbol,
        "exchange": exchange,
        "expiry": entry.expiry,
        "expiry_display": format_expiry(entry.expiry) if entry.expiry else None,
        "strike": leg.strike if leg else None,
        "option_type": leg.option_type if leg else None,
        "instrument_id": entry.instrument_id,
        "keep": entry.keep,
        "added_at": entry.added_at,
    }
