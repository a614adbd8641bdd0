"""Tables of claims, subscriptions, connections, leases, preload rules and the audit log.

The database enforces the limits of the broker: at most five connections, at most 5,000 instruments on each. `load` is
maintained by statement-level triggers on `subscriptions`, never by Python. The same kind of trigger checks the
references of legs and subscriptions, a set at a time; foreign keys check row by row and are off (`db_constraint`).
`SubscriptionLog` is append-only by trigger. Placement never locks `FeedLease`, which owners renew every second.
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from marketdata.dhan.requests import MAX_CONNECTIONS, MAX_INSTRUMENTS_PER_CONNECTION
from marketdata.domain.chain import WindowKey
from marketdata.domain.feed import ConnectionState
from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from marketdata.domain.quotes import Mode
from subscriptions.domain.claims import ClaimKind, LogAction, Tier

SEGMENT_CHOICES = [(segment.value, segment.name) for segment in ExchangeSegment]


class FeedConnection(models.Model):
    """One of the five broker connections. `load` counts subscriptions on it and leaving it."""

    number = models.PositiveSmallIntegerField(primary_key=True)
    capacity = models.PositiveIntegerField(default=MAX_INSTRUMENTS_PER_CONNECTION)
    load = models.PositiveIntegerField(default=0)
    state = models.CharField(
        max_length=16, choices=[(one.value, one.value) for one in ConnectionState], default=ConnectionState.WANTED
    )
    since = models.DateTimeField()
    last_error = models.CharField(max_length=256, blank=True)
    # When the owner's own turn at the gate failed; null once a socket is open again.
    lost_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "feed_connections"
        # One permission for all actions of staff on live subscriptions; see subscriptions.permissions.
        permissions = [("operate", "Can evict, pin, clear and rebalance")]
        constraints = [
            models.CheckConstraint(
                condition=Q(number__gte=1, number__lte=MAX_CONNECTIONS), name="feed_connections_number_1_to_5"
            ),
            models.CheckConstraint(
                condition=Q(capacity__lte=MAX_INSTRUMENTS_PER_CONNECTION), name="feed_connections_capacity_5000"
            ),
            models.CheckConstraint(
                condition=Q(load__gte=0, load__lte=F("capacity")), name="feed_connections_load_within_capacity"
            ),
        ]

    def __str__(self) -> str:
        return f"connection {self.number}"


class FeedLease(models.Model):
    """Lease of a connection. `epoch` is the fencing token: it grows with every owner; readers drop older ones."""

    connection = models.OneToOneField(FeedConnection, on_delete=models.CASCADE, primary_key=True, related_name="lease")
    owner = models.CharField(max_length=128, blank=True)
    epoch = models.PositiveBigIntegerField(default=0)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "feed_leases"

    def __str__(self) -> str:
        return f"lease of connection {self.connection_id}, epoch {self.epoch}"


class FeedGate(models.Model):
    """One row for the account: its cooldown, whether the broker holds slots, and the socket that is being replaced."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    cooldown_until = models.DateTimeField(null=True, blank=True)
    # Whether open sockets are closed too, not only none opened.
    closes_all = models.BooleanField(default=False)
    reason = models.CharField(max_length=256, blank=True)
    set_by = models.CharField(max_length=128, blank=True)
    # Consecutive refusals by the broker; each makes the next cooldown longer.
    refusals = models.PositiveSmallIntegerField(default=0)
    # Until when the terminal waits for the slot of a lost socket: the end of the day on which the broker held one.
    slots_held_until = models.DateTimeField(null=True, blank=True)
    # The last opening while the broker may have counted a lost socket, and how many of them no 805 has followed.
    risked_at = models.DateTimeField(null=True, blank=True)
    risks = models.PositiveSmallIntegerField(default=0, db_default=0)
    # The connection whose socket was replaced for bad data, and until when no other may be.
    replaced_connection = models.PositiveSmallIntegerField(null=True, blank=True)
    replaced_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "feed_gate"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="feed_gate_one_row")]

    def __str__(self) -> str:
        return f"gate, cooldown until {self.cooldown_until}" if self.cooldown_until else "gate"


class Subscription(models.Model):
    """One instrument that must be streaming; lives while at least one claim holds it."""

    instrument = models.OneToOneField(
        "marketdata.Instrument", on_delete=models.PROTECT, related_name="subscription", db_constraint=False
    )
    connection = models.ForeignKey(
        FeedConnection, on_delete=models.PROTECT, related_name="subscriptions", db_constraint=False
    )
    # Set while a moved subscription still streams on its old connection; counted in both loads.
    leaving_connection = models.ForeignKey(
        FeedConnection,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="leaving_subscriptions",
        db_index=False,
        db_constraint=False,
    )
    tier = models.CharField(max_length=1, choices=[(one.value, one.value) for one in Tier])
    mode = models.CharField(max_length=6, choices=[(one.value, one.value) for one in Mode])
    since = models.DateTimeField()

    class Meta:
        db_table = "subscriptions"
        constraints = [
            models.CheckConstraint(
                condition=Q(leaving_connection__isnull=True) | ~Q(leaving_connection=F("connection")),
                name="subscriptions_leaves_another_connection",
            ),
        ]
        indexes = [
            models.Index(
                fields=["leaving_connection"],
                condition=Q(leaving_connection__isnull=False),
                name="subscriptions_leaving",
            ),
        ]

    def __str__(self) -> str:
        return f"subscription {self.pk} on connection {self.connection_id}"


class PreloadRule(models.Model):
    """Targets of tier B for one underlying. Expiries are the union of the nearest n of each kind."""

    profile = models.CharField(max_length=16, default="lean")
    position = models.PositiveSmallIntegerField()
    exchange_segment = models.SmallIntegerField(choices=SEGMENT_CHOICES)
    underlying_symbol = models.CharField(max_length=64)
    weekly = models.PositiveSmallIntegerField(default=0)
    monthly = models.PositiveSmallIntegerField(default=0)
    quarterly = models.PositiveSmallIntegerField(default=0)
    # Strikes per expiry, both legs of each.
    strikes = models.PositiveSmallIntegerField(default=0)
    # Nearest futures to take.
    futures = models.PositiveSmallIntegerField(default=0)
    is_active = models.BooleanField(default=True)

    class Meta:
        db_table = "preload_rules"
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "exchange_segment", "underlying_symbol"], name="preload_rules_unique_underlying"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.profile}: {self.underlying_symbol}"


class Claim(models.Model):
    """One reason to stream a set of instruments: a chain (series and width) or one instrument."""

    kind = models.CharField(max_length=9, choices=[(one.value, one.value) for one in ClaimKind])
    tier = models.CharField(max_length=1, choices=[(one.value, one.value) for one in Tier])
    # The trader; null for preload rules, spots and views. Claims are released, with audit rows, before a user is
    # deleted.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="claims"
    )
    rule = models.ForeignKey(PreloadRule, on_delete=models.PROTECT, null=True, blank=True, related_name="claims")
    # Of a chain: its series and width.
    exchange_segment = models.SmallIntegerField(choices=SEGMENT_CHOICES, null=True, blank=True)
    underlying_symbol = models.CharField(max_length=64, blank=True)
    expiry = models.DateField(null=True, blank=True)
    width = models.PositiveSmallIntegerField(null=True, blank=True)
    # Of a single instrument.
    instrument = models.ForeignKey(
        "marketdata.Instrument", on_delete=models.PROTECT, null=True, blank=True, related_name="claims"
    )
    # Of a chain: the shared claim on its spot, which the database refuses to delete while a chain refers to it.
    spot = models.ForeignKey("self", on_delete=models.DO_NOTHING, null=True, blank=True, related_name="chains")
    is_pinned = models.BooleanField(default=False)
    last_viewed_at = models.DateTimeField()
    claimed_at = models.DateTimeField()
    subscriptions = models.ManyToManyField(Subscription, through="ClaimLeg", related_name="claims")

    class Meta:
        db_table = "claims"
        constraints = [
            models.CheckConstraint(
                condition=(
                    Q(expiry__isnull=False, width__isnull=False, exchange_segment__isnull=False, instrument=None)
                    | Q(expiry=None, width=None, instrument__isnull=False)
                ),
                name="claims_chain_or_instrument",
            ),
            models.UniqueConstraint(
                fields=["tier", "instrument"], condition=Q(kind="spot"), name="claims_one_spot_per_tier"
            ),
            models.UniqueConstraint(
                fields=["rule", "instrument", "exchange_segment", "underlying_symbol", "expiry"],
                condition=Q(kind="preload"),
                nulls_distinct=False,
                name="claims_one_per_rule_and_target",
            ),
            models.UniqueConstraint(
                fields=["user", "exchange_segment", "underlying_symbol", "expiry", "width"],
                condition=Q(kind="chain"),
                name="claims_one_chain_per_user",
            ),
            models.UniqueConstraint(
                fields=["exchange_segment", "underlying_symbol", "expiry", "width"],
                condition=Q(kind="view"),
                name="claims_one_view_per_window",
            ),
            models.UniqueConstraint(
                fields=["instrument"], condition=Q(kind="view"), name="claims_one_view_per_instrument"
            ),
        ]
        indexes = [
            models.Index(
                fields=["exchange_segment", "underlying_symbol", "expiry", "width"],
                condition=Q(expiry__isnull=False),
                name="claims_chain",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} claim {self.pk}"

    @property
    def subject(self) -> str:
        """A chain as "RELIANCE 24 Feb 2026 x25", an instrument as its token: the form of the log and the admin."""
        if self.series:
            return f"{self.series} x{self.width}"
        return self.instrument.token if self.instrument else ""

    @property
    def series(self) -> SeriesKey | None:
        """The series of a chain claim; None for a single instrument."""
        if self.exchange_segment is None or self.expiry is None:
            return None
        return SeriesKey(ExchangeSegment(self.exchange_segment), self.underlying_symbol, self.expiry)

    @property
    def window_key(self) -> WindowKey | None:
        """The window of a chain claim; None for a single instrument."""
        series = self.series
        return None if series is None or self.width is None else WindowKey(series, self.width)


class ClaimLeg(models.Model):
    """One subscription held by one claim. A held subscription cannot be deleted."""

    # The unique constraint is the index of its first column too. The database deletes the legs of a deleted claim.
    claim = models.ForeignKey(
        Claim, on_delete=models.DO_NOTHING, related_name="legs", db_index=False, db_constraint=False
    )
    subscription = models.ForeignKey(Subscription, on_delete=models.RESTRICT, related_name="legs", db_constraint=False)

    class Meta:
        db_table = "claim_legs"
        constraints = [models.UniqueConstraint(fields=["claim", "subscription"], name="claim_legs_unique")]

    def __str__(self) -> str:
        return f"leg {self.subscription_id} of claim {self.claim_id}"


class SubscriptionLog(models.Model):
    """Append-only audit log: one row per claim and action.

    Plain values only: a row outlives its user, claim and instruments. The table is
    partitioned by month of `at` in IST; in the database its primary key is (id, at).
    """

    at = models.DateTimeField()
    action = models.CharField(max_length=16, choices=[(one.value, one.value) for one in LogAction])
    reason = models.CharField(max_length=32)
    actor = models.CharField(max_length=150)
    tier = models.CharField(max_length=1, blank=True)
    # A chain as "RELIANCE 24 Feb 2026 x25", an instrument as its token.
    subject = models.CharField(max_length=128)
    # Instrument ids that the claim gained or lost with this action, shared ones included.
    legs = ArrayField(models.BigIntegerField(), default=list)
    # Connection number -> number of instruments that started or stopped streaming there.
    connections = models.JSONField(default=dict)
    # legs; subscribed and shared; released and kept: those that the action has.
    counts = models.JSONField(default=dict)

    class Meta:
        db_table = "subscription_log"
        indexes = [models.Index(fields=["at"], name="subscription_log_at")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action} {self.subject}"


class EndOfDayRun(models.Model):
    """One run of the end of day, once per date: for all segments, or for one under EOD_SCOPE=closed_segments."""

    closes = models.DateField()
    # Null: all segments at once.
    exchange_segment = models.SmallIntegerField(choices=SEGMENT_CHOICES, null=True, blank=True)
    ran_at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    claims = models.PositiveIntegerField(default=0)
    released = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "end_of_day_runs"
        constraints = [
            models.UniqueConstraint(
                fields=["closes", "exchange_segment"], nulls_distinct=False, name="end_of_day_runs_once_per_date"
            ),
        ]

    def __str__(self) -> str:
        return f"end of day {self.closes}"
