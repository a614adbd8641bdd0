"""The quota of one trader: only instruments that would start to stream need a part of it."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from subscriptions.domain.quota import QuotaUse, format_offer, widest_fitting


def test_instruments_that_stream_anyway_need_nothing() -> None:
    use = QuotaUse(quota=5, used=3, streaming=frozenset({1, 2}))

    assert use.left == 2
    assert use.count_starting({1, 2, 3, 4}) == 2
    assert use.permits({1, 2, 3, 4})
    assert not use.permits({3, 4, 5})


def test_a_trader_over_the_quota_may_claim_what_streams_anyway() -> None:
    use = QuotaUse(quota=0, used=4, streaming=frozenset({1, 2}))

    assert use.left == 0
    assert use.permits({1, 2})
    assert not use.permits({1, 3})


instruments = st.frozensets(st.integers(0, 9))


@given(quota=st.integers(0, 12), used=st.integers(0, 12), streaming=instruments, asked=instruments)
def test_permitted_instruments_never_exceed_the_quota(
    quota: int, used: int, streaming: frozenset[int], asked: frozenset[int]
) -> None:
    use = QuotaUse(quota, used, streaming)

    if use.permits(asked) and asked - streaming:
        assert used + len(asked - streaming) <= quota


def test_the_offer_is_the_widest_window_of_which_enough_streams_anyway() -> None:
    strikes = [Decimal(one) for one in range(1, 10)]
    use = QuotaUse(quota=4, used=0, streaming=frozenset({4, 5, 6}))

    width = widest_fitting(strikes, atm=Decimal(5), width=9, fits=lambda some: use.permits({int(one) for one in some}))

    assert width == 7
    assert format_offer(width) == " ±3 strikes would fit."
