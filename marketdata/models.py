"""Tables of marketdata: instruments, imports, the ATM cache, closing quotes, access tokens, the market calendar.

Only the import of the broker's instrument file writes `Instrument`. An id that the exchange reuses gets a new row, and
referenced rows are never deleted.
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
    """One instrument. `is_listed` becomes false when it expires or is missing in the instrument file."""

    exchange_segment = models.SmallIntegerField(choices=SEGMENT_CHOICES)
    security_id = models.BigIntegerField()
    exchange = models.CharField(max_length=3, choices=[(one.value, one.value) for one in Exchange])
    instrument_type = models.CharField(max_length=6, choices=[(one.value, one.value) for one in InstrumentType])
    # The symbol of the underlying; for an equity or index its symbol.
    underlying_symbol = models.CharField(max_length=64)
    # The readable name in the API without exchange prefix: RELIANCE_26FEB2026_2640CE, RELIANCE.
    token = models.CharField(max_length=96)
    display_name = models.CharField(max_length=128, blank=True)
    isin = models.CharField(max_length=12, blank=True)
    series = models.CharField(max_length=16, blank=True)
    expiry = models.DateField(null=True, blank=True)
    strike = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    option_type = models.CharField(max_length=2, blank=True, choices=[(one.value, one.value) for one in OptionType])
    lot_size = models.PositiveIntegerField()
    # In rupees; the file uses paise for tradables and rupees for indices.
    tick_size = models.DecimalField(max_digits=10, decimal_places=4)
    upper_limit = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    lower_limit = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    freeze_quantity = models.PositiveIntegerField(null=True, blank=True)
    # The instrument whose LTP is the spot of this derivative: an index, an equity, or for MCX options a future.
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
            # The former terms of contracts that go on under others, and contracts that have ended.
            models.Index(
                fields=["underlying_symbol", "exchange_segment", "expiry"],
                condition=Q(is_listed=False, strike__isnull=False),
                name="instruments_former_series",
            ),
            # The next five index at most a tenth of the rows, no options: the search finds only these by name.
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
            models.Index(
                fields=["underlying_symbol"],
                condition=Q(is_listed=True, option_type=""),
                name="instruments_symbol",
            ),
            # Whether an instrument has derivatives: the futures written on it.
            models.Index(
                fields=["underlying", "expiry"],
                condition=Q(is_listed=True, option_type="", underlying__isnull=False),
                name="instruments_spot",
            ),
        ]

    def __str__(self) -> str:
        return self.token

    @property
    def key(self) -> InstrumentKey:
        """The broker's key of this instrument."""
        return InstrumentKey(ExchangeSegment(self.exchange_segment), self.security_id)


class InstrumentImport(models.Model):
    """The record of one import: rows read, kept and skipped, with the reasons."""

    source = models.CharField(max_length=512)
    layout = models.CharField(max_length=16, blank=True)
    as_of = models.DateField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    rows_read = models.PositiveIntegerField(default=0)
    rows_kept = models.PositiveIntegerField(default=0)
    # Reason -> count; their sum plus rows_kept is rows_read.
    skipped = models.JSONField(default=dict)
    inserted = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    delisted = models.PositiveIntegerField(default=0)
    # The reason of a refused import; empty on success.
    refusal = models.TextField(blank=True)
    # When the held items were compared with the new list; null until then.
    followed_at = models.DateTimeField(null=True, blank=True)
    # A dry run writes nothing but its record.
    is_dry_run = models.BooleanField(default=False)
    # The file beside the list: {exchange, segment, kind, listed, remaining, kept} of each group (domain.list_rules).
    groups = models.JSONField(default=list)
    # {rule, subject, before, after, sentence} of each finding.
    findings = models.JSONField(default=list)
    # Sentences on what was imported and needs attention: series without a spot, contracts under two ids.
    notes = models.JSONField(default=list)
    # The record whose findings staff accepted with this import.
    accepts = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    # Who started it; empty for the schedule.
    actor = models.CharField(max_length=150, blank=True)

    class Meta:
        db_table = "instrument_imports"
        permissions = [("accept_import", "Can compare an instrument file with the list, and accept the difference")]

    def __str__(self) -> str:
        return f"{self.source} as of {self.as_of}"


class IndexSpelling(models.Model):
    """The symbol in the row of an index, where its derivatives have another one. Edited by staff.

    Key indices need none: the import identifies them by their id.
    """

    # Upper case, as the import compares it.
    spelling = models.CharField(max_length=64, unique=True)
    symbol = models.CharField(max_length=64)

    class Meta:
        db_table = "index_spellings"
        verbose_name = "index spelling"

    def __str__(self) -> str:
        return f"{self.spelling} for {self.symbol}"


class AtmCache(models.Model):
    """The last calculated window of one series and width, with the LTP that it is based on."""

    exchange_segment = models.SmallIntegerField(choices=SEGMENT_CHOICES)
    underlying_symbol = models.CharField(max_length=64)
    expiry = models.DateField()
    # In listed strikes; the window has fewer where the listing ends.
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
        """The series of the window."""
        return SeriesKey(ExchangeSegment(self.exchange_segment), self.underlying_symbol, self.expiry)


class BrokerSession(models.Model):
    """A current or former access token. Former rows stay as an audit record, without their token.

    Except the previous one: staff can go back to it, so it keeps its token until the next one is entered. The row of an
    environment's token holds no token while it is current, only its record of refusals and failures.
    """

    client_id = models.CharField(max_length=32)
    # Ciphertext of marketdata.dhan.sealing; empty for former rows but the previous one.
    token_sealed = models.TextField(blank=True)
    last_four = models.CharField(max_length=4, blank=True)
    # Null for an opaque token.
    expires_at = models.DateTimeField(null=True, blank=True)
    method = models.CharField(max_length=12, choices=[(one.value, one.value) for one in TokenMethod])
    stored_at = models.DateTimeField()
    # A copy of the name, not a foreign key: the record survives the user.
    stored_by = models.CharField(max_length=150)
    is_current = models.BooleanField(default=True)
    # The token that the current one, or the one that it renews, replaced when staff entered it.
    is_previous = models.BooleanField(default=False)
    # Keyed hash of the environment's account and token at that time; empty without a token.
    environment_mark = models.CharField(max_length=64, blank=True)
    # When the broker first refused it, and the reason.
    refused_at = models.DateTimeField(null=True, blank=True)
    refusal = models.CharField(max_length=200, blank=True)
    # Consecutive failed renewals, the error of the last one, and the earliest time of the next.
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
            models.UniqueConstraint(
                fields=["is_previous"], condition=Q(is_previous=True), name="broker_sessions_one_previous"
            ),
            models.CheckConstraint(
                condition=Q(is_current=False) | Q(is_previous=False), name="broker_sessions_current_or_previous"
            ),
            models.CheckConstraint(
                condition=Q(is_current=True) | Q(is_previous=True) | Q(token_sealed=""),
                name="broker_sessions_former_have_no_token",
            ),
        ]

    def __str__(self) -> str:
        ending = f" ...{self.last_four}" if self.last_four else ""
        return f"{self.client_id}{ending}, {self.method} by {self.stored_by}"


class ClosingQuote(models.Model):
    """Closing price and closing open interest of one instrument on one session day; written once."""

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+")
    # A copy of the instrument's: "is this segment recorded?" must not join thousands of rows.
    exchange_segment = models.SmallIntegerField(choices=SEGMENT_CHOICES)
    day = models.DateField()
    # Rupees, of the last trade of the day; null where nothing was traded.
    price = models.DecimalField(max_digits=14, decimal_places=4, null=True)
    # Units, on MCX lots; null for shares and indices.
    oi = models.BigIntegerField(null=True)
    recorded_at = models.DateTimeField()

    class Meta:
        db_table = "closing_quotes"
        constraints = [
            models.UniqueConstraint(fields=["instrument", "day"], name="closing_quotes_once_per_day"),
            models.CheckConstraint(condition=Q(price__gt=0) | Q(price=None), name="closing_quotes_price_positive"),
        ]
        indexes = [models.Index(fields=["day", "exchange_segment"], name="closing_quotes_segments")]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.day}: {self.price}"


class MarketSession(models.Model):
    """One session of one segment on one day, or a holiday. Seeded by migration, edited by staff. Times in IST."""

    exchange_segment = models.SmallIntegerField(choices=SEGMENT_CHOICES)
    day = models.DateField()
    kind = models.CharField(max_length=8, choices=[(one.value, one.value) for one in SessionKind])
    # Null on holidays, and until the exchange announces the hours of a special session.
    opens = models.TimeField(null=True, blank=True)
    closes = models.TimeField(null=True, blank=True)
    # Start of the closing auction: shares with derivatives, and the indices, print no trades until its end.
    frozen_from = models.TimeField(null=True, blank=True)
    # The exchange's circular, or the user who entered it.
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
                # In SQL a comparison with NULL passes a check, so both must be tested for NULL.
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
