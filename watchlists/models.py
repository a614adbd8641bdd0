"""Watchlists: named lists of entries, each of one instrument or one option series.

The claim of an entry makes its instruments stream. An entry without a claim stays on the list, in the state
`evicted` or `not_subscribed`.
"""

from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import Q

from marketdata.domain.instruments import ExchangeSegment, InstrumentType


class EntryKind(models.TextChoices):
    """Kinds of entry, with the values of the API: four of one instrument, three of a chain."""

    EQUITY = "EQUITY"
    FUTURE = "FUTURE"
    OPTION = "OPTION"  # one leg
    INDEX = "INDEX"
    STOCK_OPTION = "STOCK_OPTION"
    INDEX_OPTION = "INDEX_OPTION"
    COMMODITY_OPTION = "COMMODITY_OPTION"

    @classmethod
    def of(cls, instrument_type: InstrumentType) -> "EntryKind":
        """Return the kind of an entry of one such instrument."""
        if instrument_type.is_option:
            return cls.OPTION
        return cls.FUTURE if instrument_type.is_future else cls(instrument_type.value)

    @property
    def is_chain(self) -> bool:
        """Whether the entry is of a series; else it is of one instrument."""
        return self.value.endswith("_OPTION")


DEFAULT_LIST: Final = "Main"
MAX_NAME: Final = 40  # Characters of the name of a list. Chosen: two names are still readable in a tab beside another.
MAX_LISTS: Final = 9
"""Lists of one trader. Chosen: each has a digit key."""


class NamedList(models.Model):
    """The name of one list of one trader. The lists stand in the order in which they were created.

    A trader without a row has the empty list `DEFAULT_LIST`. The database refuses an entry on a list without a row, and
    renames the list of each entry with its row (migration 0005).
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="named_lists")
    name = models.CharField(max_length=MAX_NAME)

    class Meta:
        db_table = "named_lists"
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="named_list_once_per_user")]

    def __str__(self) -> str:
        return f"{self.name} of user {self.user_id}"


class WatchlistEntry(models.Model):
    """One entry of one trader's list."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="watchlist_entries")
    list_name = models.CharField(max_length=MAX_NAME, default=DEFAULT_LIST)
    kind = models.CharField(max_length=16, choices=EntryKind)
    # Of the kinds of one instrument.
    instrument = models.ForeignKey(
        "marketdata.Instrument", on_delete=models.PROTECT, null=True, blank=True, related_name="watchlist_entries"
    )
    # Of the kinds of a chain: the series.
    exchange_segment = models.SmallIntegerField(
        choices=[(segment.value, segment.name) for segment in ExchangeSegment], null=True, blank=True
    )
    underlying_symbol = models.CharField(max_length=64)
    expiry = models.DateField(null=True, blank=True)
    # ON DELETE SET NULL in the database: claims are released by statements that Django does not see.
    claim = models.OneToOneField(
        "subscriptions.Claim", on_delete=models.DO_NOTHING, null=True, blank=True, related_name="watchlist_entry"
    )
    # Entries with `keep` lose their claim at the end of the day and are claimed again in the morning.
    keep = models.BooleanField(default=False)
    position = models.PositiveIntegerField(default=0)
    added_at = models.DateTimeField()

    class Meta:
        db_table = "watchlist"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "list_name", "instrument", "exchange_segment", "underlying_symbol", "expiry"],
                nulls_distinct=False,
                name="watchlist_target_once_per_list",
            ),
            models.CheckConstraint(
                condition=Q(instrument__isnull=False) | Q(exchange_segment__isnull=False, expiry__isnull=False),
                name="watchlist_instrument_or_series",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.underlying_symbol} in {self.list_name} of user {self.user_id}"
