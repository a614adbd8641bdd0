import pytest

from marketdata.dhan.disconnects import Reaction, describe, reaction_to, reaction_to_refusal


@pytest.mark.parametrize(
    ("code", "reaction"),
    [
        (800, Reaction.COME_BACK),
        (804, Reaction.FIX_PLAN),
        (805, Reaction.STOP_ALL),
        (806, Reaction.STOP),
        (807, Reaction.LOG_IN_AGAIN),
        (808, Reaction.STOP),
        (809, Reaction.LOG_IN_AGAIN),
        (810, Reaction.STOP),
        (814, Reaction.STOP),
        (899, Reaction.COME_BACK),
    ],
)
def test_each_disconnect_code_has_its_reaction(code: int, reaction: Reaction) -> None:
    assert reaction_to(code) is reaction


@pytest.mark.parametrize(
    ("status", "reaction"),
    [
        (400, Reaction.COME_BACK),
        (401, Reaction.DOUBT),
        (429, Reaction.WAIT),
        (503, Reaction.COME_BACK),
    ],
)
def test_a_refused_handshake_has_a_reaction(status: int, reaction: Reaction) -> None:
    assert reaction_to_refusal(status) is reaction


def test_a_disconnect_code_is_described_by_code_and_text() -> None:
    assert describe(807) == "807: the access token has expired"
    assert describe(899) == "899: not documented"
