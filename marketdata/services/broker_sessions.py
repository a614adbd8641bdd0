"""The access token: stored when staff enter one, renewed before it ends, by one process however many want it.

Theory of operation. At most one row is current; a new token makes a new row, in one transaction that also takes the
token off the row before. Renewal asks the broker, and nothing remote happens inside a transaction, so the single flight
is a session advisory lock: who finds it held has nothing to do, who gets it looks again under it. What comes back
is stored only if the row that was renewed is still the current one; staff who entered a token meanwhile meant it.
"""

import logging
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from marketdata import dhan_api, quote_board
from marketdata.dhan.credentials import Credentials
from marketdata.dhan.sealing import SealError, TokenKeysMissing, reseal, seal
from marketdata.dhan.tokens import (
    GENERATE_INTERVAL,
    RETRY_MOST,
    Step,
    TokenMethod,
    check_entered,
    last_four,
    may_be_the_token,
    next_step,
    read_expiry,
    retry_after,
)
from marketdata.dhan_api import DhanError, IssuedToken
from marketdata.domain.feed import ConnectionState
from marketdata.models import BrokerSession
from marketdata.quote_board import BoardError
from marketdata.selectors import SessionInForce, environment_mark, find_session_in_force

logger = logging.getLogger(__name__)

# Advisory lock of whoever asks the broker for a token, "TOKE"; and of whoever changes which row is current, "TOKS".
RENEWAL_LOCK: Final = 0x544F4B45
CURRENT_LOCK: Final = 0x544F4B53
MACHINE: Final = "renewal"
# Half a minute in all, within the time limit of the task.
KEEP_PAUSES_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0)
# Owners report each second; whoever was refused and is live half a minute later was refused by mistake.
DOUBTS_LAST: Final = timedelta(seconds=30)


class Renewal(StrEnum):
    """What became of a call to renew."""

    NOT_DUE = "not due"
    BUSY = "another process is at it"
    DONE = "done"
    FAILED = "failed"
    OVERTAKEN = "a token was stored meanwhile"


def check_token(*, client_id: str, access_token: str, now: datetime) -> None:
    """Raise TokenMalformed, or TokenKeysMissing, if `store_token` would."""
    check_entered(client_id=client_id, access_token=access_token, now=now)
    if not settings.TOKEN_KEYS:
        raise TokenKeysMissing


def store_token(*, client_id: str, access_token: str, stored_by: str, now: datetime) -> BrokerSession:
    """Put a token that somebody entered in force, and return its row.

    Raises TokenMalformed where it cannot work, and TokenKeysMissing.
    """
    check_entered(client_id=client_id, access_token=access_token, now=now)
    row = _row(
        Credentials(client_id, access_token),
        expires_at=read_expiry(access_token),
        method=TokenMethod.ENTERED,
        stored_by=stored_by,
        now=now,
    )
    with _changing_current():
        _put_in_force(row)
    logger.info("a new access token was entered by %s, it ends at %s", stored_by, row.expires_at or "an unknown time")
    return row


def renew_token(*, now: datetime) -> Renewal:
    """Renew or generate the token if that is due. May run in any number of processes: one of them asks the broker.

    A failure is noted for `token_life` and tried again later.
    """
    try:
        if _step(_without_old_doubts(find_session_in_force(), now), now) is Step.NOTHING:
            return Renewal.NOT_DUE
        with _only_one() as is_ours:
            return _renew(now) if is_ours else Renewal.BUSY
    except SealError:
        # Not logged: `token_life` says it for as long as it is so, and this runs every few seconds.
        return Renewal.FAILED


def note_refusal(*, credentials: Credentials, reason: str, now: datetime) -> None:
    """Note that the broker refuses `credentials`; of no interest if others are in force by now."""
    with _changing_current():
        found = find_session_in_force()
        if found.credentials != credentials:
            return
        row = found.row or _adopt(found, now)
        if BrokerSession.objects.filter(pk=row.pk, refused_at=None).update(refused_at=now, refusal=reason[:200]):
            logger.error("the broker refuses the access token: %s", reason)


def reseal_tokens() -> int:
    """Encrypt what is stored with the first of TOKEN_KEYS and return how many tokens that were. Raises SealError."""
    with _changing_current():
        rows = list(BrokerSession.objects.exclude(token_sealed=""))
        for row in rows:
            row.token_sealed = reseal(row.token_sealed, keys=settings.TOKEN_KEYS)
        BrokerSession.objects.bulk_update(rows, ["token_sealed"])
    return len(rows)


@dataclass(frozen=True, slots=True)
class _Account:
    """By what a token can be generated."""

    client_id: str
    pin: str
    totp_secret: str

    def __repr__(self) -> str:
        return f"_Account({self.client_id!r})"


def _account(found: SessionInForce) -> _Account | None:
    """Return how a token for the account in force can be generated; the PIN is that of DHAN_CLIENT_ID only."""
    client_id = settings.DHAN_CLIENT_ID
    is_ours = found.credentials is None or found.credentials.client_id == client_id
    if not settings.DHAN_PIN or not is_ours:
        return None
    return _Account(client_id, settings.DHAN_PIN, settings.DHAN_TOTP_SECRET)


def _step(found: SessionInForce, now: datetime) -> Step:
    account, row = _account(found), found.row
    if found.credentials is None and account is None:
        return Step.NOTHING
    return next_step(
        expires_at=found.expires_at,
        # Where there is no token, one is as badly needed as in place of a refused one.
        is_refused=found.credentials is None
        or (row is not None and row.refused_at is not None and may_be_the_token(row.refusal)),
        failures=row.failures if row is not None else 0,
        retry_at=row.retry_at if row is not None else None,
        can_generate=account is not None,
        margin=timedelta(minutes=settings.TOKEN_RENEW_MARGIN_MIN),
        now=now,
    )


def _without_old_doubts(found: SessionInForce, now: datetime) -> SessionInForce:
    """Forget that the token was refused if every connection has come to live with it since."""
    row = found.row
    if row is None or row.refused_at is None or now - row.refused_at < DOUBTS_LAST or not _is_all_live():
        return found
    BrokerSession.objects.filter(pk=row.pk, refused_at=row.refused_at).update(
        refused_at=None, refusal="", failures=0, failure="", retry_at=None
    )
    logger.info("the broker takes the access token after all")
    return find_session_in_force()


def _is_all_live() -> bool:
    try:
        reports = quote_board.connect().list_reports()
    except BoardError:
        return False
    return bool(reports) and all(one.state is ConnectionState.LIVE for one in reports)


def _renew(now: datetime) -> Renewal:
    """Do what is due, under the lock of whoever asks the broker; what was due before may have been done since."""
    with _changing_current():
        found = find_session_in_force()
        step = _step(found, now)
        if step is Step.NOTHING:
            return Renewal.NOT_DUE
        row = found.row or _adopt(found, now)
    try:
        if not settings.TOKEN_KEYS:
            # The broker would end the old token for one that cannot be kept.
            raise TokenKeysMissing
        issued = _ask_broker(step, found, now)
    except (DhanError, TokenKeysMissing) as error:
        _note_failure(row, step, str(error), now)
        return Renewal.FAILED
    return _keep_surely(row, step, issued, now)


def _ask_broker(step: Step, found: SessionInForce, now: datetime) -> IssuedToken:
    account = _account(found)
    if step is Step.GENERATE and account is not None:
        return dhan_api.generate_token(
            client_id=account.client_id, pin=account.pin, totp_secret=account.totp_secret, now=now
        )
    if found.credentials is None:
        raise ValueError("there is no token to renew")
    return dhan_api.renew_token(found.credentials)


def _keep_surely(renewed: BrokerSession, step: Step, issued: IssuedToken, now: datetime) -> Renewal:
    """Keep a new token though the database may just be restarting: the old one is gone, and it would be lost."""
    for pause in KEEP_PAUSES_SECONDS:
        try:
            return _keep(renewed, step, issued, now)
        except (InterfaceError, OperationalError) as error:
            logger.warning("a new access token waits for the database (%s)", type(error).__name__)
            connection.close()
            time.sleep(pause)
    return _keep(renewed, step, issued, now)


def _keep(renewed: BrokerSession, step: Step, issued: IssuedToken, now: datetime) -> Renewal:
    row = _row(
        Credentials(renewed.client_id, issued.access_token),
        expires_at=issued.expires_at,
        method=TokenMethod.GENERATED if step is Step.GENERATE else TokenMethod.RENEWED,
        stored_by=MACHINE,
        now=now,
    )
    if step is Step.GENERATE:
        row.retry_at = now + _pause_after(renewed)
    with _changing_current():
        if not BrokerSession.objects.filter(pk=renewed.pk, is_current=True).exists():
            logger.warning("a token was stored while the one before it was renewed; the stored one stays")
            return Renewal.OVERTAKEN
        _put_in_force(row)
    logger.info("the access token was %s, the new one ends at %s", row.method, row.expires_at or "an unknown time")
    return Renewal.DONE


def _pause_after(replaced: BrokerSession) -> timedelta:
    """Return how soon another token may be generated: less and less soon where each is refused as the last one was."""
    if replaced.method != TokenMethod.GENERATED or replaced.refused_at is None or replaced.retry_at is None:
        return GENERATE_INTERVAL
    return min(2 * (replaced.retry_at - replaced.stored_at), RETRY_MOST)


def _note_failure(row: BrokerSession, step: Step, reason: str, now: datetime) -> None:
    failures = row.failures + 1
    at = now + retry_after(step=step, failures=failures, chance=random.random())  # noqa: S311  jitter is no secret
    BrokerSession.objects.filter(pk=row.pk).update(failures=failures, failure=reason[:200], retry_at=at)
    logger.error("the access token could not be renewed, attempt %d: %s", failures, reason)


def _adopt(found: SessionInForce, now: datetime) -> BrokerSession:
    """Make a row to note things on, of a token that the environment names or of none yet; it holds no token."""
    token = found.credentials.access_token if found.credentials is not None else ""
    row = BrokerSession(
        client_id=found.credentials.client_id if found.credentials is not None else settings.DHAN_CLIENT_ID,
        last_four=last_four(token),
        expires_at=found.expires_at,
        method=TokenMethod.ENVIRONMENT,
        stored_at=now,
        stored_by="environment",
        environment_mark=environment_mark(),
    )
    _put_in_force(row)
    return row


def _row(
    credentials: Credentials, *, expires_at: datetime | None, method: TokenMethod, stored_by: str, now: datetime
) -> BrokerSession:
    """Return the row of a token that is to be kept, not saved. Raises TokenKeysMissing."""
    return BrokerSession(
        client_id=credentials.client_id,
        token_sealed=seal(credentials.access_token, keys=settings.TOKEN_KEYS),
        last_four=last_four(credentials.access_token),
        expires_at=expires_at,
        method=method,
        stored_at=now,
        stored_by=stored_by,
        environment_mark=environment_mark(),
    )


def _put_in_force(row: BrokerSession) -> None:
    BrokerSession.objects.filter(is_current=True).update(is_current=False, token_sealed="")
    row.save(force_insert=True)


@contextmanager
def _changing_current() -> Iterator[None]:
    """Hold, for one transaction, the lock under which the current row changes."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CURRENT_LOCK])
        yield


@contextmanager
def _only_one() -> Iterator[bool]:
    """Say whether we are the one who may ask the broker, and stay it until the end; the end of the process ends it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [RENEWAL_LOCK])
        (is_ours,) = cursor.fetchone()
    try:
        yield is_ours
    finally:
        if is_ours:
            with suppress(InterfaceError, OperationalError), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [RENEWAL_LOCK])
