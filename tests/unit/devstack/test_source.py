"""The source of market data of a run."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack.errors import DevstackError
from devstack.source import Source, choose_source, source_variables


def variables_of(source: Source, environ: dict[str, str]) -> dict[str, str]:
    return source_variables(source, environ, feed_port=21_000, rest_port=21_001, token="a-token")


def test_without_credentials_the_source_is_the_demo_listing() -> None:
    source = choose_source({})

    assert (source.database, source.redis_prefix, source.is_simulated) == ("broking_demo", "demo", True)


def test_a_dhan_account_has_a_separate_database_and_the_brokers_addresses() -> None:
    environ = {"DHAN_CLIENT_ID": "1100000001", "DHAN_ACCESS_TOKEN": "eyJ"}

    source = choose_source(environ)

    assert source.database == "broking_dhan_ee8a33b2"
    assert variables_of(source, environ) == {"REDIS_PREFIX": "dhan-ee8a33b2"}


def test_a_pin_replaces_the_token_of_an_account() -> None:
    environ = {"DHAN_CLIENT_ID": "1100000001", "DHAN_PIN": "428913", "DHAN_TOTP_SECRET": "JBSW"}

    assert not choose_source(environ).is_simulated


@pytest.mark.parametrize("name", ["DHAN_CLIENT_ID", "DHAN_ACCESS_TOKEN", "DHAN_PIN"])
def test_incomplete_credentials_are_refused(name: str) -> None:
    with pytest.raises(DevstackError, match="go together"):
        choose_source({name: "x"})


def test_a_missing_master_is_refused_by_name() -> None:
    with pytest.raises(DevstackError, match=r"SIMULATOR_MASTER names /nowhere/master\.csv"):
        choose_source({"SIMULATOR_MASTER": "/nowhere/master.csv"})


def test_a_master_and_credentials_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(DevstackError, match="SIMULATOR_MASTER has no effect with Dhan credentials"):
        choose_source({"SIMULATOR_MASTER": str(tmp_path), "DHAN_CLIENT_ID": "x", "DHAN_ACCESS_TOKEN": "y"})


def test_each_master_and_each_market_date_has_a_separate_database(tmp_path: Path) -> None:
    first, same, other = tmp_path / "first.csv", tmp_path / "same.csv", tmp_path / "other.csv"
    first.write_text("id\n1\n")
    same.write_text("id\n1\n")
    other.write_text("id\n2\n")

    def database(master: Path, market_date: str) -> str:
        return choose_source({"SIMULATOR_MASTER": str(master), "MARKET_DATE": market_date}).database

    assert database(first, "2026-02-10") == database(same, "2026-02-10")
    assert len({database(first, "2026-02-10"), database(first, "2026-02-11"), database(other, "2026-02-10")}) == 3


def test_addresses_of_the_simulator_differ_from_the_brokers_only_in_the_host() -> None:
    assert variables_of(choose_source({}), {}) == {
        "REDIS_PREFIX": "demo",
        "DHAN_FEED_URL": "ws://127.0.0.1:21000",
        "DHAN_REST_URL": "http://127.0.0.1:21001/v2",
        "DHAN_INSTRUMENTS_URL": "http://127.0.0.1:21001/api-data/api-scrip-master-detailed.csv",
        "DHAN_CLIENT_ID": "1000000001",
        "DHAN_ACCESS_TOKEN": "a-token",
        "DHAN_OPEN_INTERVAL_MS": "0",
    }


def test_a_relay_may_stand_between_the_feed_worker_and_the_simulator_but_not_the_broker() -> None:
    relay = {"SIMULATOR_FEED_URL": "ws://127.0.0.1:22000"}

    assert variables_of(choose_source(relay), relay)["DHAN_FEED_URL"] == "ws://127.0.0.1:22000"
    account = {"DHAN_CLIENT_ID": "7", "DHAN_ACCESS_TOKEN": "a-token", **relay}
    assert "DHAN_FEED_URL" not in variables_of(choose_source(account), account)


@pytest.mark.parametrize(
    ("header", "name"),
    [("SEM_EXM_EXCH_ID,SEM_SEGMENT", "api-scrip-master.csv"), ("EXCH_ID,SEGMENT", "api-scrip-master-detailed.csv")],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_instruments_are_imported_from_the_file_with_the_layout_of_the_master(
    header: str, name: str, pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    master = tmp_path / "master"
    master.write_bytes(pack(f"{header}\n".encode()))

    source = choose_source({"SIMULATOR_MASTER": str(master)})

    assert variables_of(source, {})["DHAN_INSTRUMENTS_URL"] == f"http://127.0.0.1:21001/api-data/{name}"


def test_a_truncated_master_is_refused_by_name(tmp_path: Path) -> None:
    master = tmp_path / "master.csv.gz"
    master.write_bytes(gzip.compress(b"SEM_EXM_EXCH_ID")[:12])

    with pytest.raises(DevstackError, match=r"master\.csv\.gz, which cannot be read"):
        choose_source({"SIMULATOR_MASTER": str(master)})
