"""The number of SQL statements of one addition, independent of the stored rows."""

from typing import Any

import pytest
from django.utils import timezone
from knox.models import get_token_model
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import User
from subscriptions import services as subscriptions
from subscriptions.models import Claim
from tests.factories import Listing, make_equities, make_user
from tests.integration.subscriptions.claim_factories import claim_chain, fill_with_shares

ADD = "/api/v2/watchlist/add"
NEAREST = {"symbol": "RELIANCE", "instrument_type": "STOCK_OPTION"}
RELIANCE = {"symbol": "RELIANCE", "expiry": "24FEB2026", "instrument_type": "STOCK_OPTION"}


@pytest.fixture(params=["small", "large"])
def stored(request: pytest.FixtureRequest, listing: Listing) -> None:
    """Store no other rows, or hundreds of instruments, claims and subscriptions."""
    if request.param == "large":
        make_equities(400, prefix="OTHER")
        fill_with_shares(300)
        subscriptions.preload_tier_b(now=timezone.now())
        for number in range(5):
            claim_chain(listing.series_of("TCS"), user_id=make_user(f"trader{number}").pk, now=timezone.now())


@pytest.fixture(params=["session", "token"])
def login(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def client(login: str, asha: User) -> APIClient:
    client = APIClient()
    if login == "session":
        client.force_login(asha)
    else:
        _, token = get_token_model().objects.create(user=asha)
        client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    return client


# The statements: login session and user, or a token with its user; two for the underlying, the legs; BEGIN; the lock,
# the claims of the window, atm_cache read and written, the quota, the claimed instruments, the spot claim, the claim;
# missing legs, free slots, subscriptions, claimed legs; the audit log, the lists, the entry; COMMIT. Without an expiry,
# one more finds the nearest.
@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(("expiry", "statements"), [("24FEB2026", 22), (None, 23)])
def test_adding_a_chain_runs_23_statements_at_most(
    client: APIClient,
    login: str,
    django_assert_num_queries: DjangoAssertNumQueries,
    expiry: str | None,
    statements: int,
) -> None:
    with django_assert_num_queries(statements if login == "session" else statements - 1):
        answer = client.post(ADD, {**RELIANCE, "expiry": expiry} if expiry else NEAREST)

    assert (answer.status_code, answer.json()["subscribed"]) == (201, 50)


def test_the_response_has_the_window_of_the_claim(client_of_asha: APIClient, listing: Listing) -> None:
    body: dict[str, Any] = client_of_asha.post(ADD, RELIANCE).json()

    claim = Claim.objects.get(kind="watchlist")
    legs = claim.legs.values_list("subscription__instrument__strike", flat=True)
    strikes = [strike for strike in legs if strike is not None]
    assert (body["chain"]["lowest_strike"], body["chain"]["highest_strike"]) == (min(strikes), max(strikes))
    assert body["entry"]["position"] == 0
