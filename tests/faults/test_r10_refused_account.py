"""R10: a refused account or token is not retried in a loop; a new token resumes all connections."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pytest_django import Settings

from tests.faults.connections import errors, states, store_new_token, wait_for_states, wait_without_opening
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    count_broker_sockets,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import running_simulator
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]

RESUME_SECONDS = 5.0


def test_r10_a_token_refusal_by_a_close_or_a_reset_is_recognized(tmp_path: Path, settings: Settings) -> None:
    # That by status 400 is in test_r11, those by codes below.
    key = Fernet.generate_key().decode()
    settings.TOKEN_KEYS = [key]
    with running_simulator(rate=2_000) as simulator:
        settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = simulator.client_id, simulator.access_token
        make_subscriptions(simulator, count=40)
        with running_worker(tmp_path, name="feed", simulator=simulator, FEED_CONNECTIONS="1", TOKEN_KEYS=key):
            for shape in (2, 4):
                wait_until(lambda: states() == ["live"], seconds=START_SECONDS, message="a connection is live")

                simulator.set_fault("auth_shape", shape)
                simulator.set_fault("token_rollover")

                wait_until(lambda: states() == ["waiting"], seconds=15, message=f"refusal form {shape} is recognized")
                store_new_token(simulator)
                wait_until(
                    lambda: count_broker_sockets(simulator) == 1,
                    seconds=RESUME_SECONDS,
                    message="the connection is resumed",
                )
                simulator.clear_faults()
            wait_until(lambda: states() == ["live"], seconds=5, message="the connection is live again")


def test_r10_a_refusal_stops_all_connections_with_its_reason_until_the_token_changes(
    tmp_path: Path, settings: Settings
) -> None:
    key = Fernet.generate_key().decode()
    settings.TOKEN_KEYS = [key]
    with running_simulator(rate=2_000) as simulator:
        settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = simulator.client_id, simulator.access_token
        make_subscriptions(simulator, count=40)
        with running_worker(tmp_path, name="feed", simulator=simulator, TOKEN_KEYS=key):
            for code, state, reason in [
                (806, "stopped", "806: the account has no data subscription"),
                (808, "stopped", "808: authentication failed"),
                (810, "stopped", "810: the client id is invalid"),
                (809, "waiting", "809: the access token is invalid"),
            ]:
                wait_until_streaming(40)

                simulator.set_fault("disconnect_code", code)

                wait_for_states(state)
                assert errors() == {reason}
                wait_without_opening(simulator, seconds=2)
                store_new_token(simulator)
                wait_until(
                    lambda: count_broker_sockets(simulator) == 5,
                    seconds=RESUME_SECONDS,
                    message="all connections are resumed",
                )
            wait_until_streaming(40, seconds=10)
