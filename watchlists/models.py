"""What a trader keeps an eye on: entries of named lists.

An entry names one instrument or one option series. Its claim is what makes it stream; an entry without
a claim stays in the list and says so.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q

from marketdata.domain.instruments import ExchangeSegment


class EntryKind(models.TextChoices):
    """What a trader may add, in the words of the API."""

    EQUITY = "EQUITY"
    FUTURE = "FUTURE"
    STOCK_OPTION = "STOCK_OPTION"
    INDEX_OPTION = "INDEX_OPTION"
    COMMODITY_OPTION = "COMMODITY_OPTION"


DEFAULT_LIST = "Main"


class WatchlistEntry(models.Model):
    """One line of one trader's list."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="watchlist_entries")
    list_name = models.CharField(max_length=40, default=DEFAULT_LIST)
    kind = models.CharField(max_length=16, choices=EntryKind)
    # Of EQUITY and FUTURE.
    instrument = models.ForeignKey(
        "marketdata.Instrument", on_delete=models.PROTECT, null=True, blank=True, related_name="watchlist_entries"
    )
    # Of the option kinds: the series.
    exchange_segment = models.SmallIntegerField(
        choices=[(segment.value, segment.name) for segment in ExchangeSegment], null=True, blank=True
    )
    underlying_symbol = models.CharField(max_length=64)
    expiry = models.DateField(null=True, blank=True)
    # The database sets it null when the claim goes.
    claim = models.OneToOneField(
        "subscriptions.Claim", on_delete=models.DO_NOTHING, null=True, blank=True, related_name="watchlist_entry"
    )
    # Kept entries lose their claim at the end of the day and come back in the morning.
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
