"""System checks of marketdata: contradictory settings, an unreadable token, a calendar without rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  The framework's name.
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from marketdata.dhan.sealing import SealError
from marketdata.selectors import get_broker_login, list_unknown_years, market_today

SESSIONS_TABLE: Final = "broker_sessions"
CALENDAR_TABLE: Final = "market_sessions"


@register()
def check_market_date(**_: Any) -> list[CheckMessage]:
    """Warn if contracts expire by a fixed date although a real account is connected."""
    if settings.MARKET_DATE is None or not settings.DHAN_CLIENT_ID or "dhan.co" not in settings.DHAN_REST_URL:
        return []
    return [
        Warning(
            f"MARKET_DATE={settings.MARKET_DATE} replaces today's date although a real account is connected.",
            hint="Unset MARKET_DATE; it is for demos and tests.",
            id="marketdata.W001",
        )
    ]


@register()
def check_token_keys(**_: Any) -> list[CheckMessage]:
    """Refuse a real account without a key to store renewed tokens: the feed would stop within a day."""
    if settings.TOKEN_KEYS or not settings.DHAN_CLIENT_ID or "dhan.co" not in settings.DHAN_REST_URL:
        return []
    return [
        Error(
            "TOKEN_KEYS is not set: without a key the access token can be neither renewed nor entered in the admin.",
            hint="Make one with: python3 -c "
            "'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'",
            id="marketdata.E001",
        )
    ]


@register(Tags.database)
def check_migration_history(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Refuse a database with migrations of ours that this version does not have: its tables are of unknown shape.

    A squash gives the first migration of an app a name that it never had. So every database made before a squash has
    one that is unknown, however many of the later names it shares.
    """
    if not databases:
        return []
    loader = MigrationLoader(connection, ignore_no_migrations=True)
    unknown = sorted(
        f"{app}.{name}"
        for app, name in set(loader.applied_migrations).difference(loader.disk_migrations)
        if apps.is_installed(app) and Path(apps.get_app_config(app).path).parent == settings.BASE_DIR
    )
    if not unknown:
        return []
    return [
        Error(
            f"The database {connection.settings_dict['NAME']!r} was made by another version of the terminal: "
            f"this one does not have its migration {unknown[0]} ({len(unknown)} in all).",
            hint="Make a new, empty database (createdb NAME), name it in DATABASE_URL and run: manage.py migrate. "
            "With `make run`: make clean, then make run. Both leave subscriptions and watchlists behind.",
            id="marketdata.E002",
        )
    ]


@register(Tags.database)
def check_stored_token(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Warn if the stored token cannot be decrypted; no error, because a new one is entered in the running admin."""
    if not databases or SESSIONS_TABLE not in connection.introspection.table_names():
        return []
    try:
        get_broker_login()
    except SealError as error:
        return [Warning(str(error), id="marketdata.W003")]
    return []


@register(Tags.database)
def check_calendar(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Warn of a current or imminent year without market sessions."""
    if not databases or CALENDAR_TABLE not in connection.introspection.table_names():
        return []
    return [
        Warning(
            f"There are no market sessions for {year}: every weekday counts as an ordinary one, holidays are unknown.",
            hint=f"Load them from the exchanges' circulars: manage.py load_market_calendar {year} HOLIDAYS.csv",
            id="marketdata.W004",
        )
        for year in list_unknown_years(today=market_today())
    ]
