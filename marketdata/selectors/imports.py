"""The age of the instrument list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from django.db.models import QuerySet

from marketdata.models import InstrumentImport

SENTENCES_SHOWN: Final = 6  # chosen: a file with wrong dates has over 30; the first ones state which rows are missing


@dataclass(frozen=True, slots=True)
class LastImport:
    """The last accepted import, and whether a newer one was refused.

    `difference` has the first sentences of the newest refusal, where the file differs too much from the list. A refusal
    for another reason can name a path, so it is shown to staff only.
    """

    listed: int
    as_of: date
    finished_at: datetime
    is_newest_refused: bool
    difference: str = ""
    notes: Sequence[str] = ()


def find_unfollowed_import() -> int | None:
    """Return the id of the last accepted import if the held items were not compared with its list yet."""
    newest = accepted_imports().values_list("pk", "followed_at").first()
    return None if newest is None or newest[1] is not None else newest[0]


def find_last_import() -> LastImport | None:
    """Return the last accepted import; None before the first."""
    good = accepted_imports().first()
    if good is None or good.finished_at is None:
        return None
    later = InstrumentImport.objects.filter(finished_at__gt=good.finished_at, is_dry_run=False)
    refused = later.order_by("-finished_at", "-pk").first()
    difference = _summarize([one["sentence"] for one in refused.findings]) if refused else ""
    return LastImport(good.rows_kept, good.as_of, good.finished_at, refused is not None, difference, good.notes)


def _summarize(sentences: Sequence[str]) -> str:
    left = len(sentences) - SENTENCES_SHOWN
    more = [f"{left} more in the admin."] if left > 0 else []
    return " ".join([*sentences[:SENTENCES_SHOWN], *more])


def accepted_imports() -> QuerySet[InstrumentImport]:
    """Return the imports that replaced the list, the last finished one first."""
    accepted = InstrumentImport.objects.filter(finished_at__isnull=False, is_dry_run=False, refusal="")
    return accepted.order_by("-finished_at", "-pk")
