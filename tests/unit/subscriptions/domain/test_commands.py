from hypothesis import given
from hypothesis import strategies as st

from marketdata.dhan.requests import MAX_INSTRUMENTS_PER_MESSAGE, Request, RequestCode
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import Mode
from subscriptions.domain.commands import commands_between, sent_after

FNO = ExchangeSegment.NSE_FNO
NIFTY = InstrumentKey(ExchangeSegment.IDX_I, 13)
CALL = InstrumentKey(FNO, 1)
PUT = InstrumentKey(FNO, 2)

sent_sets = st.dictionaries(
    st.builds(InstrumentKey, st.sampled_from([FNO, ExchangeSegment.BSE_FNO]), st.integers(1, 300)),
    st.sampled_from(Mode),
    max_size=400,
)


def test_equal_sets_give_no_command() -> None:
    assert commands_between({CALL: Mode.FULL}, {CALL: Mode.FULL}) == []


def test_unsubscribes_come_first_and_name_the_subscribed_mode() -> None:
    commands = commands_between({PUT: Mode.QUOTE}, {CALL: Mode.FULL, NIFTY: Mode.TICKER})

    assert commands == [
        Request(RequestCode.UNSUBSCRIBE_QUOTE, (PUT,)),
        Request(RequestCode.SUBSCRIBE_TICKER, (NIFTY,)),
        Request(RequestCode.SUBSCRIBE_FULL, (CALL,)),
    ]


def test_a_change_of_mode_is_an_unsubscribe_and_a_subscribe() -> None:
    commands = commands_between({CALL: Mode.TICKER}, {CALL: Mode.FULL})

    assert commands == [
        Request(RequestCode.UNSUBSCRIBE_TICKER, (CALL,)),
        Request(RequestCode.SUBSCRIBE_FULL, (CALL,)),
    ]


def test_one_command_names_at_most_a_hundred_instruments() -> None:
    wanted = {InstrumentKey(FNO, number): Mode.FULL for number in range(250)}

    commands = commands_between({}, wanted)

    assert [len(command.instruments) for command in commands] == [100, 100, 50]


@given(sent=sent_sets, wanted=sent_sets)
def test_applying_the_commands_to_the_sent_set_gives_the_wanted_set(
    sent: dict[InstrumentKey, Mode], wanted: dict[InstrumentKey, Mode]
) -> None:
    capacity = max(len(sent), len(wanted))
    state = sent

    for command in commands_between(sent, wanted):
        state = sent_after(state, command)

        assert len(state) <= capacity
        assert 0 < len(command.instruments) <= MAX_INSTRUMENTS_PER_MESSAGE
    assert state == wanted


@given(sent=sent_sets, wanted=sent_sets)
def test_the_order_of_the_wanted_set_does_not_matter(
    sent: dict[InstrumentKey, Mode], wanted: dict[InstrumentKey, Mode]
) -> None:
    backwards = dict(reversed(wanted.items()))

    assert commands_between(sent, wanted) == commands_between(sent, backwards)


def test_an_unsubscribe_of_another_mode_changes_nothing() -> None:
    assert sent_after({CALL: Mode.FULL}, Request(RequestCode.UNSUBSCRIBE_TICKER, (CALL,))) == {CALL: Mode.FULL}
