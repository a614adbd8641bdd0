"""The broker's answer about the account of an access token (`/profile`), and the objections to a token that follow.

Source: docs/dhan.md, section "REST", and a recorded answer. Every field may be missing or odd; it is then unknown, and
an unknown field is no objection.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from marketdata.dhan.tokens import EXPIRY_YEARS, IST

# The end of a token as the broker writes it, in IST and without seconds.
_VALIDITY_FORM: Final = "%d/%m/%Y %H:%M"
_VALIDITY_STEP: Final = timedelta(minutes=1)
_ACTIVE: Final = "active"
_MAX_PLAN_CHARACTERS: Final = 40  # Chosen: a word or two; it is shown to staff.
_MAX_ID: Final = 10**18  # Chosen: above every client id (ten digits); Python refuses to print a number of 5,000 digits.


@dataclass(frozen=True, slots=True)
class Profile:
    """The account of an access token; None is unknown."""

    client_id: str | None
    valid_until: datetime | None
    data_plan: str | None


def read_profile(answer: Mapping[str, Any]) -> Profile:
    """Return the profile in an answer, field by field."""
    return Profile(
        client_id=_text(answer.get("dhanClientId")),
        valid_until=_validity(answer.get("tokenValidity")),
        data_plan=_text(answer.get("dataPlan")),
    )


def find_objection(profile: Profile, *, client_id: str, now: datetime) -> str:
    """Return a sentence why a token with this profile must not be used for `client_id`; empty if it may."""
    if profile.client_id is not None and profile.client_id != client_id:
        return "This access token belongs to another client id."
    # The broker leaves out the seconds: the token is valid until the end of that minute.
    if profile.valid_until is not None and profile.valid_until + _VALIDITY_STEP <= now:
        return "This access token has expired already."
    if profile.data_plan is not None and profile.data_plan.lower() != _ACTIVE:
        plan = profile.data_plan[:_MAX_PLAN_CHARACTERS]
        return f"The account of this access token has no active data plan, but {plan!r}: the feed would refuse it."
    return ""


def _text(value: object) -> str | None:
    # An id may be a number in JSON; a bool is an int in Python.
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MAX_ID:
        return str(value)
    return value.strip() or None if isinstance(value, str) else None


def _validity(value: object) -> datetime | None:
    try:
        stamp = datetime.strptime(value, _VALIDITY_FORM) if isinstance(value, str) else None  # noqa: DTZ007  IST, below.
    except ValueError:
        return None
    return stamp.replace(tzinfo=IST) if stamp is not None and stamp.year in EXPIRY_YEARS else None
