"""The access token: stored when staff enter one, and renewed before it expires, by one process at a time.

Theory of operation. At most one row is current. A new token is a new row, inserted in the transaction that also
deletes the token of the former row. A token that staff replaced stays stored as the previous one, so that they can go
back to it (`entered_token` has the test before). Renewal calls the broker, and no remote call happens inside a
transaction:

1. Try a session-level advisory lock, so that of many processes one renews. If it is taken, there is nothing to do.
2. Under the lock, read the login again: another process may have renewed it before us.
3. Call the broker. It revokes the old token when it issues a new one, so the new one must not be lost.
4. Store the new token, with retries while the database restarts, but only if the renewed row is still current: a token
   that staff entered during the call takes precedence.
"""

import logging
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
from marketdata.selectors import BrokerLogin, PreviousLogin, environment_mark, get_broker_login

logger = logging.getLogger(__name__)

# pg_advisory_lock keys, the letters "TOKE" and "TOKS": the right to call the broker, and to change the current row.
RENEWAL_LOCK: Final = 0x544F4B45
CURRENT_LOCK: Final = 0x544F4B53  # See above.
# Chosen: with the growing waits in between, the third failure in a row comes after a minute or more, with generation
# after five: no restart of the network and no short outage of the broker lasts as long.
FAILURES_FOR_A_PERSON: Final = 3
STORED_BY_RENEWAL: Final = "renewal"
# Chosen: 28 s in all, within RENEWAL_LIMIT_SECONDS of the task, longer than a PostgreSQL restart.
STORE_RETRY_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0)
# Chosen: owners report every second; connections that are live 30 s after a refusal prove that it was an error.
REFUSAL_STANDS: Final = timedelta(seconds=30)


class Renewal(StrEnum):
    """Result of `renew_token`."""

    NOT_DUE = "not due"
    BUSY = "another process renews it"
    DONE = "done"
    FAILED = "failed"
    OVERTAKEN = "another token was stored during the renewal"


def check_token(*, client_id: str, access_token: str, now: datetime) -> None:
    """Raise TokenMalformed or TokenKeysMissing if `store_token` would."""
    check_entered(client_id=client_id, access_token=access_token, now=now)
    if not settings.TOKEN_KEYS:
        raise TokenKeysMissing


def store_token(*, client_id: str, access_token: str, stored_by: str, now: datetime) -> BrokerSession:
    """Make an entered token the current one and return its row. Raises TokenMalformed and TokenKeysMissing."""
    check_entered(client_id=client_id, access_token=access_token, now=now)
    row = _row(
        Credentials(client_id, access_token),
        expires_at=read_expiry(access_token),
        method=TokenMethod.ENTERED,
        stored_by=stored_by,
        now=now,
    )
    with _current_row_lock():
        _keep_as_previous(Credentials(client_id, access_token), now)
        _make_current(row)
    logger.info("access token entered by %s, expires at %s", stored_by, row.expires_at or "an unknown time")
    return row


def restore_previous_token(*, previous: PreviousLogin, restored_by: str, now: datetime) -> BrokerSession | None:
    """Make the previous token the current one and return its new row; the token that it replaces is the previous then.

    None, and nothing changes, if another token was entered since `previous` was read. Raises TokenKeysMissing.
    """
    former = previous.row
    row = _row(
        previous.credentials,
        expires_at=former.expires_at,
        method=TokenMethod.ENTERED,
        stored_by=restored_by,
        now=now,
    )
    with _current_row_lock():
        if not BrokerSession.objects.filter(pk=former.pk, is_previous=True).exists():
            return None
        _keep_as_previous(previous.credentials, now)
        _make_current(row)
    logger.info("previous access token restored by %s", restored_by)
    return row


def renew_token(*, now: datetime) -> Renewal:
    """Renew or generate the token if its expiry is near. Safe in any number of processes: one of them calls the broker.

    A failure is recorded for `get_access_token_status` and retried with backoff.
    """
    try:
        if _step(_without_outdated_refusal(get_broker_login(), now), now) is Step.NOTHING:
            return Renewal.NOT_DUE
        with _renewal_lock() as is_ours:
            return _renew(now) if is_ours else Renewal.BUSY
    except SealError:
        # Not logged: this runs every few seconds, and `get_access_token_status` reports it until it is solved.
        return Renewal.FAILED


def note_refusal(*, credentials: Credentials, reason: str, now: datetime) -> None:
    """Record that the broker refuses `credentials`; ignored if they are no longer the current ones."""
    with _current_row_lock():
        found = get_broker_login()
        if found.credentials != credentials:
            return
        row = found.row or _insert_tokenless(found, now)
        # Five owners report one refusal: only the first sets the time and logs.
        if BrokerSession.objects.filter(pk=row.pk, refused_at=None).update(refused_at=now, refusal=reason[:200]):
            if _can_generate(found) and may_be_the_token(reason):
                logger.warning("broker refuses the access token (%s): another one is generated", reason)
            else:
                logger.error("broker refuses the access token (%s): enter a new one in the admin", reason)


def reseal_tokens() -> int:
    """Encrypt the stored tokens with the first of TOKEN_KEYS; return their number. Raises SealError."""
    with _current_row_lock():
        rows = list(BrokerSession.objects.exclude(token_sealed=""))
        for row in rows:
            row.token_sealed = reseal(row.token_sealed, keys=settings.TOKEN_KEYS)
        BrokerSession.objects.bulk_update(rows, ["token_sealed"])
    return len(rows)


def _can_generate(found: BrokerLogin) -> bool:
    """Return whether a token can be generated: there is a PIN, and the current account is that of DHAN_CLIENT_ID."""
    is_ours = found.credentials is None or found.credentials.client_id == settings.DHAN_CLIENT_ID
    return is_ours and bool(settings.DHAN_PIN)


def _step(found: BrokerLogin, now: datetime) -> Step:
    can_generate, row = _can_generate(found), found.row
    if found.credentials is None and not can_generate:
        return Step.NOTHING
    return next_step(
        expires_at=found.expires_at,
        # No token at all is treated like a refused one: both need a new token at once.
        is_refused=found.credentials is None
        or (row is not None and row.refused_at is not None and may_be_the_token(row.refusal)),
        failures=row.failures if row is not None else 0,
        retry_at=row.retry_at if row is not None else None,
        can_generate=can_generate,
        margin=timedelta(minutes=settings.TOKEN_RENEW_MARGIN_MIN),
        now=now,
    )


def _without_outdated_refusal(found: BrokerLogin, now: datetime) -> BrokerLogin:
    """Clear the recorded refusal if all connections have been live since then."""
    row = found.row
    if row is None or row.refused_at is None or now - row.refused_at < REFUSAL_STANDS or not _is_all_live():
        return found
    BrokerSession.objects.filter(pk=row.pk, refused_at=row.refused_at).update(
        refused_at=None, refusal="", failures=0, failure="", retry_at=None
    )
    logger.info("refusal of the access token cleared: all connections are live with it")
    return get_broker_login()


def _is_all_live() -> bool:
    try:
        reports = quote_board.connect().list_reports()
    except BoardError:
        # Without Redis there is no proof, so the refusal stays.
        return False
    return bool(reports) and all(one.state is ConnectionState.LIVE for one in reports)


def _renew(now: datetime) -> Renewal:
    """Renew or generate under the renewal lock, after a second look at what is needed."""
    with _current_row_lock():
        found = get_broker_login()
        step = _step(found, now)
        if step is Step.NOTHING:
            return Renewal.NOT_DUE
        row = found.row or _insert_tokenless(found, now)
    try:
        if not settings.TOKEN_KEYS:
            # The broker would revoke the old token for a new one that cannot be stored.
            raise TokenKeysMissing
        issued = _ask_broker(step, found, now)
    except (DhanError, TokenKeysMissing) as error:
        _note_failure(row, step, error, now)
        return Renewal.FAILED
    return _store_with_retries(row, step, issued, now)


def _ask_broker(step: Step, found: BrokerLogin, now: datetime) -> IssuedToken:
    if step is Step.GENERATE and _can_generate(found):
        client_id, pin, totp_secret = settings.DHAN_CLIENT_ID, settings.DHAN_PIN, settings.DHAN_TOTP_SECRET
        return dhan_api.generate_token(client_id=client_id, pin=pin, totp_secret=totp_secret, now=now)
    if found.credentials is None:
        raise ValueError("no access token to renew")
    return dhan_api.renew_token(found.credentials)


def _store_with_retries(renewed: BrokerSession, step: Step, issued: IssuedToken, now: datetime) -> Renewal:
    """Store the new token, with retries while the database restarts: the old one is already revoked."""
    for pause in STORE_RETRY_SECONDS:
        try:
            return _store_renewed(renewed, step, issued, now)
        except (InterfaceError, OperationalError) as error:
            logger.warning("access token not stored (%s); retrying in %s s", type(error).__name__, pause)
            # Django opens a new connection with the next query; the old one may be half closed.
            connection.close()
            time.sleep(pause)
    return _store_renewed(renewed, step, issued, now)


def _store_renewed(renewed: BrokerSession, step: Step, issued: IssuedToken, now: datetime) -> Renewal:
    row = _row(
        Credentials(renewed.client_id, issued.access_token),
        expires_at=issued.expires_at,
        method=TokenMethod.GENERATED if step is Step.GENERATE else TokenMethod.RENEWED,
        stored_by=STORED_BY_RENEWAL,
        now=now,
    )
    # The broker limits how often tokens are generated; a refused new token must not start a loop of generations.
    if step is Step.GENERATE:
        row.retry_at = now + _pause_after(renewed)
    with _current_row_lock():
        if not BrokerSession.objects.filter(pk=renewed.pk, is_current=True).exists():
            logger.warning("renewed access token discarded: another one was entered during the renewal")
            return Renewal.OVERTAKEN
        # The broker issues a new token of an account and ends all others of it.
        BrokerSession.objects.filter(is_previous=True, client_id=row.client_id).update(
            is_previous=False, token_sealed=""
        )
        _make_current(row)
    logger.info("access token %s, expires at %s", row.method, row.expires_at or "an unknown time")
    return Renewal.DONE


def _pause_after(replaced: BrokerSession) -> timedelta:
    """Return the time until the next token may be generated; doubled while each generated token is refused."""
    if replaced.method != TokenMethod.GENERATED or replaced.refused_at is None or replaced.retry_at is None:
        return GENERATE_INTERVAL
    return min(2 * (replaced.retry_at - replaced.stored_at), RETRY_MOST)


def _note_failure(row: BrokerSession, step: Step, error: DhanError | TokenKeysMissing, now: datetime) -> None:
    failures, reason, is_setting_missing = row.failures + 1, str(error), isinstance(error, TokenKeysMissing)
    at = now + retry_after(step=step, failures=failures, chance=random.random())  # noqa: S311  jitter is no secret
    BrokerSession.objects.filter(pk=row.pk).update(failures=failures, failure=reason[:200], retry_at=at)
    needs_person = is_setting_missing or failures >= FAILURES_FOR_A_PERSON
    logger.log(
        logging.ERROR if needs_person else logging.WARNING,
        "renewal of the access token failed, attempt %d, the next one at %s: %s",
        failures,
        at.isoformat(timespec="seconds"),
        reason,
    )


def _keep_as_previous(new: Credentials, now: datetime) -> None:
    """Mark the current token as the previous one, if it is not `new` itself; delete the one that was it so far."""
    try:
        found = get_broker_login()
    except SealError:
        # The key is lost: neither can be restored, and one that stays would stop `reseal_tokens`.
        _delete_previous()
        return
    if found.credentials is None or found.credentials == new:
        return
    row = found.row or _insert_tokenless(found, now)
    # The environment's token may be another one tomorrow: it is stored like an entered one.
    sealed = row.token_sealed or seal(found.credentials.access_token, keys=settings.TOKEN_KEYS)
    _delete_previous()
    BrokerSession.objects.filter(pk=row.pk).update(is_current=False, is_previous=True, token_sealed=sealed)


def _delete_previous() -> None:
    BrokerSession.objects.filter(is_previous=True).update(is_previous=False, token_sealed="")


def _insert_tokenless(found: BrokerLogin, now: datetime) -> BrokerSession:
    """Insert a current row without a token, for records about the environment's token or about having none."""
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
    _make_current(row)
    return row


def _row(
    credentials: Credentials, *, expires_at: datetime | None, method: TokenMethod, stored_by: str, now: datetime
) -> BrokerSession:
    """Return the unsaved row of a token. Raises TokenKeysMissing."""
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


def _make_current(row: BrokerSession) -> None:
    # Deletes the former token: a stored secret that no longer serves anything is only a risk.
    BrokerSession.objects.filter(is_current=True).update(is_current=False, token_sealed="")
    row.save(force_insert=True)


@contextmanager
def _current_row_lock() -> Iterator[None]:
    """Open a transaction under the lock that serializes changes of the current row."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CURRENT_LOCK])
        yield


@contextmanager
def _renewal_lock() -> Iterator[bool]:
    """Try the renewal lock; yield whether we acquired it. Released on exit, or by PostgreSQL when the process dies."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [RENEWAL_LOCK])
        (is_ours,) = cursor.fetchone()
    try:
        yield is_ours
    finally:
        if is_ours:
            # A lost connection has released the lock already.
            with suppress(InterfaceError, OperationalError), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [RENEWAL_LOCK])
