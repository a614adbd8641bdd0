"""Temporarily renamed tables: each statement on them fails with a real database error."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connections

from subscriptions.feed.ownership.statements import connection_parameters


@contextmanager
def missing_table(name: str) -> Iterator[None]:
    """Rename a table until the end of the block."""
    _execute(f"ALTER TABLE {name} RENAME TO {name}_gone")
    try:
        yield
    finally:
        _execute(f"ALTER TABLE {name}_gone RENAME TO {name}")


def _execute(statement: str) -> None:
    with psycopg.connect(**connection_parameters(connections["default"].settings_dict)) as session:
        session.execute(statement)
