"""The migration of the kinds of entry, there and back, with entries of every kind."""

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from accounts.models import User
from tests.factories import Listing, add_to_watchlist
from watchlists.models import EntryKind, WatchlistEntry


def migrate_to(name: str) -> None:
    MigrationExecutor(connection).migrate([("watchlists", name)])


def test_entries_of_new_kinds_survive_the_migration_in_both_directions(asha: User, listing: Listing) -> None:
    graph = MigrationExecutor(connection).loader.graph
    (added,) = (node for node in graph.nodes if node[0] == "watchlists" and node[1].endswith("_entry_kinds"))
    (before,) = (node for node in graph.node_map[added].parents if node.key[0] == "watchlists")
    (latest,) = graph.leaf_nodes("watchlists")
    add_to_watchlist(asha, "NIFTY", EntryKind.INDEX)
    add_to_watchlist(asha, "NIFTY_17FEB2026_25000CE", EntryKind.OPTION)
    add_to_watchlist(asha, "TCS", EntryKind.EQUITY)
    rows = list(WatchlistEntry.objects.order_by("pk").values())
    # Else the changes of constraints that wait for the end of the transaction refuse a change of the table.
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    migrate_to(before.key[1])
    assert list(WatchlistEntry.objects.order_by("pk").values()) == rows
    migrate_to(latest[1])

    assert list(WatchlistEntry.objects.order_by("pk").values()) == rows
    assert MigrationExecutor(connection).migration_plan([latest]) == []
