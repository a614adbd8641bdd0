"""The lean profile on the simulator's listing with prices from its REST side, as after the first start.

The small listing has all indices and commodities of the one for a demo; no rule names the shares that it leaves out.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from marketdata import services as market_services
from subscriptions import selectors, services
from subscriptions.models import Subscription
from tests.integration.subscriptions.claim_factories import count_subscribed, list_loads
from tests.integration.subscriptions.invariants import check_invariants
from tests.simulators import SimulatorAddress, running_simulator

TODAY = date(2026, 2, 10)
NOW = datetime(2026, 2, 10, 4, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorAddress]:
    with running_simulator(market_date=TODAY) as address:
        yield address


def test_the_first_pass_claims_the_lean_profile_evenly(
    simulator: SimulatorAddress, db: None, own_board: str, settings: Settings
) -> None:
    settings.MARKET_DATE = TODAY
    settings.DHAN_REST_URL = simulator.rest_url
    settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = simulator.client_id, simulator.access_token
    market_services.import_instruments(source=simulator.instruments_url, as_of=TODAY, now=NOW)

    with CaptureQueriesContext(connection) as queries:
        report = services.preload_tier_b(now=NOW)

    assert report.waiting == ()
    assert not any(rule.waiting for rule in selectors.list_rule_states())
    assert 2_000 <= count_subscribed() <= 2_500
    assert max(list_loads()) - min(list_loads()) <= 1
    assert set(Subscription.objects.values_list("tier", flat=True)) == {"B"}
    check_invariants()
    statements = [query["sql"] for query in queries.captured_queries]
    # The last lock: before it, claims follow the contracts of the new import in a transaction of their own.
    lock = max(number for number, sql in enumerate(statements) if "pg_advisory_xact_lock" in sql)
    assert len(statements) - lock < 40
    assert services.preload_tier_b(now=NOW).claimed == 0
