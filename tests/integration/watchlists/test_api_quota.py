"""The quota of a trader through the API: its use, and the claims that use it."""

from rest_framework.test import APIClient

from accounts.models import User
from tests.factories import add_to_watchlist
from watchlists.models import EntryKind

QUOTA = "/api/v2/subscriptions/quota"


def test_the_quota_lists_the_claims_that_use_most_of_it_first(asha: User, client_of_asha: APIClient) -> None:
    add_to_watchlist(asha, "TCS", EntryKind.EQUITY)
    add_to_watchlist(asha, "RELIANCE", EntryKind.STOCK_OPTION)

    answer = client_of_asha.get(QUOTA)

    assert answer.status_code == 200
    assert answer.json() == {
        "quota": 5_000,
        "used": 51,
        "left": 4_949,
        "claims": [
            {
                "kind": "watchlist",
                "name": "RELIANCE",
                "expiry": "2026-02-24",
                "expiry_display": "24FEB2026",
                "width": 25,
                "legs": 50,
                "counted": 50,
            },
            {
                "kind": "watchlist",
                "name": "TCS",
                "expiry": None,
                "expiry_display": None,
                "width": None,
                "legs": 1,
                "counted": 1,
            },
        ],
    }


def test_each_trader_reads_the_own_quota(asha: User, client_of_vikram: APIClient) -> None:
    add_to_watchlist(asha, "TCS", EntryKind.EQUITY)

    assert client_of_vikram.get(QUOTA).json() == {"quota": 5_000, "used": 0, "left": 5_000, "claims": []}
    assert APIClient().get(QUOTA).status_code == 401
