"""Names and dials of faults, and the connections to which they apply."""

import pytest

from simulator import faults
from simulator.faults import NO_FAULTS, REGISTRY, FaultError, Faults, UnknownFault


def test_every_default_is_a_dial_of_its_fault() -> None:
    for fault in REGISTRY.values():
        assert fault.check(fault.default) == fault.default


def test_every_fault_describes_its_effect_and_the_unit_of_its_dial() -> None:
    for fault in REGISTRY.values():
        assert fault.about.endswith(".")
        assert fault.unit


def test_a_fault_without_a_dial_has_its_default() -> None:
    assert faults.parse("stacked") == ("stacked", 50)
    assert faults.parse("stacked=2") == ("stacked", 2)


@pytest.mark.parametrize("text", ["stacked=x", "stacked=nan", "stacked=inf", "stacked=1.5", "tcp_reset=0", "mute=0"])
def test_an_invalid_dial_is_refused(text: str) -> None:
    with pytest.raises(FaultError):
        faults.parse(text)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownFault, match="gremlins"):
        faults.parse("gremlins=1")


def test_a_fault_of_one_connection_does_not_apply_to_the_others() -> None:
    state = Faults([("stacked", 2)])
    state.switch_on("mute", 1, connection=4)

    assert state.faults_of(4) == {"stacked": 2, "mute": 1}
    assert state.faults_of(5) == {"stacked": 2}

    state.switch_off()
    assert state.faults_of(4) is NO_FAULTS


def test_faults_of_the_account_do_not_apply_to_a_connection() -> None:
    assert Faults([("handshake_429", 1), ("auth_shape", 2)]).faults_of(1) is NO_FAULTS


def test_a_counting_fault_ends_at_zero_and_a_negative_one_never() -> None:
    state = Faults([("handshake_429", 2), ("handshake_400", -1)])

    assert [state.consume("handshake_429") for _ in range(3)] == [True, True, False]
    assert state.dial("handshake_429") is None
    assert [state.consume("handshake_400") for _ in range(3)] == [True] * 3


def test_every_change_gives_a_new_version() -> None:
    state = Faults()
    versions = [state.version]
    state.switch_on("mute", 1)
    versions.append(state.version)
    state.switch_off("mute")
    versions.append(state.version)

    assert len(set(versions)) == 3
