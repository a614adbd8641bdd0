"""The broker's rules for one account."""

from datetime import UTC, datetime

from marketdata.dhan.requests import Request, RequestCode
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import Mode
from simulator import accounts
from simulator.accounts import Account, Change, Connection, Credentials

now = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


def keys(first: int, last: int) -> tuple[InstrumentKey, ...]:
    return tuple(InstrumentKey(ExchangeSegment.NSE_FNO, number) for number in range(first, last))


def make_connection() -> Connection:
    return Connection(1, "1000000001", now)


def fill(connection: Connection, count: int) -> None:
    for start in range(0, count, 100):
        accounts.apply(connection, Request(RequestCode.SUBSCRIBE_FULL, keys(start, min(start + 100, count))))


def test_the_sixth_connection_closes_the_oldest() -> None:
    account = Account(Credentials("1000000001", "token"))
    opened = [account.open(now=now) for _ in range(7)]

    assert [None if dropped is None else dropped.number for _, dropped in opened] == [None] * 5 + [1, 2]
    assert [connection.number for connection in account.connections] == [3, 4, 5, 6, 7]
    assert account.high_water == 6


def test_a_closed_connection_frees_its_slot() -> None:
    account = Account(Credentials("1000000001", "token"))
    first, _ = account.open(now=now)
    for _ in range(4):
        account.open(now=now)

    account.close(first)
    _, dropped = account.open(now=now)

    assert dropped is None
    assert account.high_water == 5


def test_a_mode_is_added_to_the_others_and_removed_alone() -> None:
    connection = make_connection()
    accounts.apply(connection, Request(RequestCode.SUBSCRIBE_TICKER, keys(0, 2)))
    accounts.apply(connection, Request(RequestCode.SUBSCRIBE_FULL, keys(0, 2)))
    assert connection.instruments == 4

    change = accounts.apply(connection, Request(RequestCode.UNSUBSCRIBE_FULL, keys(1, 3)))

    assert change == Change(Mode.FULL, removed=keys(1, 2))
    assert connection.subscribed[Mode.TICKER] == set(keys(0, 2))
    assert connection.subscribed[Mode.FULL] == set(keys(0, 1))


def test_an_instrument_subscribed_twice_counts_once() -> None:
    connection = make_connection()
    accounts.apply(connection, Request(RequestCode.SUBSCRIBE_QUOTE, keys(0, 3)))

    change = accounts.apply(connection, Request(RequestCode.SUBSCRIBE_QUOTE, keys(2, 4) + keys(3, 4)))

    assert change == Change(Mode.QUOTE, added=keys(3, 4))
    assert connection.instruments == 4


def test_five_thousand_instruments_fit_and_one_more_does_not() -> None:
    connection = make_connection()
    fill(connection, 5_000)
    assert connection.instruments == 5_000

    change = accounts.apply(connection, Request(RequestCode.SUBSCRIBE_TICKER, keys(0, 1)))

    assert change == Change(Mode.TICKER, is_over_limit=True)
    assert connection.instruments == 5_000


def test_instruments_within_the_capacity_are_accepted() -> None:
    connection = make_connection()
    fill(connection, 4_990)

    change = accounts.apply(connection, Request(RequestCode.SUBSCRIBE_FULL, keys(4_990, 5_010)))

    assert change == Change(Mode.FULL, added=keys(4_990, 5_000), is_over_limit=True)


def test_a_message_names_at_most_a_hundred() -> None:
    change = accounts.apply(make_connection(), Request(RequestCode.SUBSCRIBE_FULL, keys(0, 101)))

    assert change == Change(Mode.FULL, added=keys(0, 100), is_over_limit=True)


def test_a_disconnect_request_changes_no_subscription() -> None:
    assert accounts.apply(make_connection(), Request(RequestCode.DISCONNECT)) is None
