"""Invariants of the rows after every step, checked in SQL."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from django.db import connection

# Each query returns the rows that break its rule.
RULES = {
    "a load differs from the rows on the connection": """
        SELECT number FROM feed_connections AS connection WHERE load <> (
            SELECT count(*) FROM subscriptions
            WHERE connection_id = connection.number OR leaving_connection_id = connection.number
        )
    """,
    "a connection carries more than its capacity": "SELECT number FROM feed_connections WHERE load > capacity",
    "there are more than five connections or more than 25,000 slots": """
        SELECT count(*) FROM feed_connections HAVING count(*) > 5 OR sum(capacity) > 25000
    """,
    "more than 25,000 instruments are subscribed": "SELECT count(*) FROM subscriptions HAVING count(*) > 25000",
    "a subscription has no claim": """
        SELECT id FROM subscriptions AS subscription
        WHERE NOT EXISTS (SELECT FROM claim_legs WHERE subscription_id = subscription.id)
    """,
    "a subscription is in the wrong tier": """
        SELECT subscription.id FROM subscriptions AS subscription
        JOIN claim_legs AS leg ON leg.subscription_id = subscription.id JOIN claims AS claim ON claim.id = leg.claim_id
        GROUP BY subscription.id HAVING subscription.tier <> max(claim.tier)
    """,
    "a subscription is in the wrong mode": """
        SELECT subscription.id FROM subscriptions AS subscription
        JOIN instruments AS instrument ON instrument.id = subscription.instrument_id
        WHERE (instrument.instrument_type = 'INDEX') <> (subscription.mode = 'ticker')
    """,
    "a claim has no legs": """
        SELECT id FROM claims AS claim WHERE NOT EXISTS (SELECT FROM claim_legs WHERE claim_id = claim.id)
    """,
    "a claim holds one leg twice": """
        SELECT claim_id FROM claim_legs GROUP BY claim_id, subscription_id HAVING count(*) > 1
    """,
    "an instrument is subscribed twice": """
        SELECT instrument_id FROM subscriptions GROUP BY instrument_id HAVING count(*) > 1
    """,
    "a claim of one instrument holds another": """
        SELECT claim.id FROM claims AS claim JOIN claim_legs AS leg ON leg.claim_id = claim.id
        JOIN subscriptions AS subscription ON subscription.id = leg.subscription_id
        WHERE claim.instrument_id IS NOT NULL AND claim.instrument_id <> subscription.instrument_id
    """,
    "claims of one window hold different legs": """
        SELECT exchange_segment FROM (
            SELECT claim.exchange_segment, claim.underlying_symbol, claim.expiry, claim.width,
                array_agg(leg.subscription_id ORDER BY leg.subscription_id) AS legs
            FROM claims AS claim JOIN claim_legs AS leg ON leg.claim_id = claim.id
            WHERE claim.expiry IS NOT NULL GROUP BY claim.id
        ) AS held
        GROUP BY exchange_segment, underlying_symbol, expiry, width HAVING count(DISTINCT legs) > 1
    """,
    "a chain holds other strikes than its remembered window": """
        SELECT claim.id FROM claims AS claim
        JOIN atm_cache AS lying USING (exchange_segment, underlying_symbol, expiry, width)
        JOIN claim_legs AS leg ON leg.claim_id = claim.id
        JOIN subscriptions AS subscription ON subscription.id = leg.subscription_id
        JOIN instruments AS instrument ON instrument.id = subscription.instrument_id
        GROUP BY claim.id, lying.id
        HAVING min(instrument.strike) <> lying.lowest_strike OR max(instrument.strike) <> lying.highest_strike
    """,
    "a chain has no spot of the same tier": """
        SELECT chain.id FROM claims AS chain LEFT JOIN claims AS spot ON spot.id = chain.spot_id
        WHERE chain.expiry IS NOT NULL
            AND (spot.id IS NULL OR spot.kind <> 'spot' OR spot.tier <> chain.tier)
    """,
    "a tier-A spot outlived its chains": """
        SELECT id FROM claims AS spot WHERE kind = 'spot' AND tier = 'A'
            AND NOT EXISTS (SELECT FROM claims WHERE spot_id = spot.id)
    """,
}


# One statement: a round trip for each rule took most of the time.
ALL_RULES = " UNION ALL ".join(
    f"(SELECT '{name}', broken::text FROM ({query}) AS broken LIMIT 5)"  # noqa: S608  constants of this module
    for name, query in RULES.items()
)


def check_invariants(statement: str = ALL_RULES) -> None:
    """Fail with the names of the broken rules and the rows that break them, five at most."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        assert cursor.fetchall() == []


@contextmanager
def planned_invariants() -> Iterator[Callable[[], None]]:
    """Yield `check_invariants` with a plan that is made once: to plan takes half of the time of a check.

    Only for tests whose tables stay small: the plan does not follow their size.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"PREPARE invariants AS {ALL_RULES}")
        try:
            yield partial(check_invariants, "EXECUTE invariants")
        finally:
            cursor.execute("DEALLOCATE invariants")
