"""The age of the instrument list."""

from dataclasses import dataclass
from datetime import date, datetime

from marketdata.models import InstrumentImport


@dataclass(frozen=True, slots=True)
class LastImport:
    """The last accepted import, and whether a newer one was refused."""

    listed: int
    as_of: date
    finished_at: datetime
    is_newest_refused: bool


def find_unfollowed_import() -> int | None:
    """Return the id of the last accepted import if the held items were not compared with its list yet."""
    good = InstrumentImport.objects.filter(finished_at__isnull=False, refusal="").order_by("-finished_at", "-pk")
    newest = good.values_list("pk", "followed_at").first()
    return None if newest is None or newest[1] is not None else newest[0]


def find_last_import() -> LastImport | None:
    """Return the last accepted import; None before the first."""
    finished = InstrumentImport.objects.filter(finished_at__isnull=False)
    good = finished.filter(refusal="").order_by("-finished_at", "-pk").first()
    if good is None or good.finished_at is None:
        return None
    refused = finished.filter(finished_at__gt=good.finished_at).exists()
    return LastImport(good.rows_kept, good.as_of, good.finished_at, refused)
