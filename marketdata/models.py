"""Tables of what is listed and of where the money is: instruments, their imports, the ATM cache.

Rows of `Instrument` are written only by the import of the broker's instrument file; an id that the
exchange uses again makes a new row, and rows that something refers to are never deleted.
"""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import F, Q

from marketdata.dhan.tokens import TokenMethod
from marketdata.domain.instruments import (
    Exchange,
    ExchangeSegment,
    InstrumentKey,
    InstrumentType,
    OptionType,
    SeriesKey,
)
from marketdata.domain.sessions import SessionKind

SEGMENT_CHOICES = [(segment.value, segment.name) for segment in ExchangeSegment]


class Instrument(models.Model):
    """One listed thing. `is_listed` is false once it has left the instrument file or has expired."""

    exchange_segment = models.SmallIntegerField(choices=SEGMENT_CHOICES)
    security_id = models.BigIntegerField()
    exchange = models.CharField(max_length=3, choices=[(one.value, one.value) for one in Exchange])
    instrument_type = models.CharField(max_length=6, choices=[(one.value, one.value) for one in InstrumentType])
    # The name derivatives are written on; of an equity or index its own symbol.
    underlying_symbol = models.CharField(max_length=64)
    # The readable name in the API, without an exchange prefix: RELIANCE_26FEB2026_2640CE, RELIANCE.
    token = models.CharField(max_length=96)
    display_name = models.CharField(max_length=128, blank=True)
    isin = models.CharField(max_length=12, blank=True)
    series = models.CharField(max_length=16, blank=True)
    expiry = models.DateField(null=True, blank=True)
    strike = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    option_type = models.CharField(max_length=2, blank=True, choices=[(one.value, one.value) for one in OptionType])
    lot_size = models.PositiveIntegerField()
    # Rupees, whatever unit the file used.
    tick_size = models.DecimalField(max_digits=10, decimal_places=4)
    upper_limit = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    lower_limit = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    freeze_quantity = models.PositiveIntegerField(null=True, blank=True)
    # The instrument whose LTP is the spot of this derivative: index, equity, or for MCX options a future.
    underlying = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    is_listed = models.BooleanField(default=True)
    first_seen_at = models.DateTimeField()
    last_changed_at = models.DateTimeField()

    class Meta:
        db_table = "instruments"
        constraints = [
            models.UniqueConstraint(
                fields=["exchange_segment", "security_id"],
                condition=Q(is_listed=True),
                name="instruments_unique_listed_key",
            ),
            models.CheckConstraint(
                condition=Q(option_type="") | Q(strike__isnull=False, expiry__isnull=False),
                name="instruments_option_has_strike_and_expiry",
            ),
        ]
        indexes = [
            models.Index(
                fields=["underlying_symbol", "exchange_segment", "expiry", "strike"],
                condition=Q(is_listed=True),
                name="instruments_series",
            ),
            models.Index(fields=["token"], condition=Q(is_listed=True), name="instruments_token"),
            # The next three hold a tenth of the rows: what a search finds by name, everything but options.
            models.Index(
                fields=["token"],
                opclasses=["varchar_pattern_ops"],
                condition=Q(is_listed=True, option_type=""),
                name="instruments_token_prefix",
            ),
            GinIndex(
                SearchVector("token", "display_name", config="simple"),
                condition=Q(is_listed=True, option_type=""),
                name="instruments_words",
            ),
            models.Index(
                fields=["underlying_symbol", "exchange_segment", "expiry"],
                condition=Q(is_listed=True, option_type="", expiry__isnull=False),
                name="instruments_future",
            ),
        ]

    def __str__(self) -> str:
        return self.token

    @property
    def key(self) -> InstrumentKey:
        """The broker's name of this instrument."""
        return InstrumentKey(ExchangeSegment(self.exchange_segment), self.security_id)


class InstrumentImport(models.Model):
    """One run of the instrument import: what was read, kept, skipped and why."""

    source = models.CharField(max_length=512)
    layout = models.CharField(max_length=16, blank=True)
    as_of = models.DateField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    rows_read = models.PositiveIntegerField(default=0)
    rows_kept = models.PositiveIntegerField(default=0)
    # Reason -> count; kept plus all of these is rows_read.
    skipped = models.JSONField(default=dict)
    inserted = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    delisted = models.PositiveIntegerField(default=0)
    # Why nothing was swapped in; empty on success.
    refusal = models.TextField(blank=True)

    class Meta:
        db_table = "instrument_imports"

    def __str__(self) -> str:
        return f"{self.source} as of {self.as_of}"


class AtmCache(models.Model):
    """The window of one series at one width, and the price it was calculated from."""

    exchange_segment = models.SmallIntegerField(choices=SEGMENT_CHOICES)
    underlying_symbol = models.CharField(max_length=64)
    expiry = models.DateField()
    # Listed strikes in the window, fewer where the listing ends.
    width = models.PositiveSmallIntegerField()
    ltp = models.DecimalField(max_digits=14, decimal_places=4)
    atm = models.DecimalField(max_digits=12, decimal_places=4)
    strike_step = models.DecimalField(max_digits=12, decimal_places=4)
    lowest_strike = models.DecimalField(max_digits=12, decimal_places=4)
    highest_strike = models.DecimalField(max_digits=12, decimal_places=4)
    calculated_at = models.DateTimeField()

    class Meta:
        db_table = "atm_cache"
        constraints = [
            models.UniqueConstraint(
                fields=["exchange_segment", "underlying_symbol", "expiry", "width"], name="atm_cache_unique_window"
            ),
            models.CheckConstraint(condition=Q(strike_step__gt=0), name="atm_cache_step_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.underlying_symbol} {self.expiry} x{self.width} ATM {self.atm}"

    @property
    def series(self) -> SeriesKey:
        """The series this window lies in."""
        return SeriesKey(ExchangeSegment(self.exchange_segment), self.underlying_symbol, self.expiry)


class BrokerSession(models.Model):
    """One access token that was in force, and who brought it. Earlier rows stay, without their token, as the record.

    The row of a token that the environment names holds no token: only what was noted about it.
    """

    client_id = models.CharField(max_length=32)
    # Ciphertext (marketdata.dhan.sealing).
    token_sealed = models.TextField(blank=True)
    last_four = models.CharField(max_length=4, blank=True)
    # Null: the token does not say.
    expires_at = models.DateTimeField(null=True, blank=True)
    method = models.CharField(max_length=12, choices=[(one.value, one.value) for one in TokenMethod])
    stored_at = models.DateTimeField()
    # A plain value: the record outlives the account.
    stored_by = models.CharField(max_length=150)
    is_current = models.BooleanField(default=True)
    # Which account and token the environment named when this was stored, as a keyed hash; empty if none.
    environment_mark = models.CharField(max_length=64, blank=True)
    # The broker refused it: since when, and in what words.
    refused_at = models.DateTimeField(null=True, blank=True)
    refusal = models.CharField(max_length=200, blank=True)
    # Attempts at renewal that failed in a row, why the last one did, and when the next one may come.
    failures = models.PositiveIntegerField(default=0)
    failure = models.CharField(max_length=200, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "broker_sessions"
        verbose_name = "broker session"
        constraints = [
            models.UniqueConstraint(
                fields=["is_current"], condition=Q(is_current=True), name="broker_sessions_one_current"
            ),
            models.CheckConstraint(
                condition=Q(is_current=True) | Q(token_sealed=""), name="broker_sessions_only_current_has_token"
            ),
        ]

    def __str__(self) -> str:
        ending = f" ...{self.last_four}" if self.last_four else ""
        return f"{self.client_id}{ending}, {self.method} by {self.stored_by}"


class MarketSession(models.Model):
    """One session of one segment on one day, or that there is none: seeded by migration, edited by staff. IST."""

    exchange_segment = models.SmallIntegerField(choices=SEGMENT_CHOICES)
    day = models.DateField()
    kind = models.CharField(max_length=8, choices=[(one.value, one.value) for one in SessionKind])
    # Null on holidays, and while the exchange has yet to announce the hours.
    opens = models.TimeField(null=True, blank=True)
    closes = models.TimeField(null=True, blank=True)
    # From when shares with derivatives, and the indices, stand still until the closing auction prints.
    frozen_from = models.TimeField(null=True, blank=True)
    # The circular it was read from, or who entered it.
    source = models.CharField(max_length=128, blank=True)
    note = models.CharField(max_length=128, blank=True)

    class Meta:
        db_table = "market_sessions"
        verbose_name = "market session"
        constraints = [
            models.UniqueConstraint(
                fields=["day", "exchange_segment", "opens"],
                nulls_distinct=False,
                name="market_sessions_unique_start",
            ),
            models.CheckConstraint(
                # An unknown comparison passes a check: both must be said to be known.
                condition=Q(opens__isnull=True, closes__isnull=True)
                | Q(opens__isnull=False, closes__isnull=False, opens__lt=F("closes")),
                name="market_sessions_open_before_close",
                violation_error_message="A session opens before it closes, or has neither hour.",
            ),
            models.CheckConstraint(
                condition=~Q(kind=SessionKind.HOLIDAY.value) | Q(opens__isnull=True),
                name="market_sessions_holiday_has_no_hours",
                violation_error_message="A holiday has no hours.",
            ),
            models.CheckConstraint(
                condition=~Q(kind=SessionKind.REGULAR.value) | Q(opens__isnull=False),
                name="market_sessions_regular_has_hours",
                violation_error_message="A regular session has hours.",
            ),
            models.CheckConstraint(
                condition=Q(frozen_from__isnull=True)
                | Q(opens__isnull=False, frozen_from__gte=F("opens"), frozen_from__lte=F("closes")),
                name="market_sessions_frozen_within",
                violation_error_message="Spots stand still within the session.",
            ),
        ]

    def __str__(self) -> str:
        hours = f" {self.opens:%H:%M}-{self.closes:%H:%M}" if self.opens and self.closes else ""
        return f"{ExchangeSegment(self.exchange_segment).name} {self.day} {self.kind}{hours}"
