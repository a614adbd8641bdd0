"""The two servers of `make run`: kept by the supervisor, their data kept between runs.

A server that DATABASE_URL or REDIS_URL names is used as it is and not started here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from devstack import binaries, postgres, redis
from devstack.places import Places
from devstack.port_book import PortBook
from devstack.privileges import Account
from devstack.secret_files import keep_secret
from devstack.supervisor import Supervisor

PROBE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class ServerUrls:
    database: str
    redis: str


def bring_up(
    supervisor: Supervisor,
    *,
    places: Places,
    account: Account | None,
    ports: PortBook,
    environ: Mapping[str, str],
    database: str,
) -> ServerUrls:
    """Start what the environment does not name; return where both servers are."""
    return ServerUrls(
        redis=environ.get("REDIS_URL") or _redis(supervisor, places, account, ports),
        database=environ.get("DATABASE_URL") or _postgres(supervisor, places, account, ports, database),
    )


def _redis(supervisor: Supervisor, places: Places, account: Account | None, ports: PortBook) -> str:
    server = redis.RedisServer(
        binary=binaries.find_redis(places, account),
        directory=places.home / "redis",
        port=ports.port("redis"),
        password=keep_secret(places.run / "redis-password"),
        account=account,
    )
    redis.write_configuration(server)
    child = supervisor.keep(server.program(places.logs / "redis.log"))
    supervisor.wait_until(lambda: redis.is_ready(server, child), every_seconds=PROBE_SECONDS)
    return server.url


def _postgres(supervisor: Supervisor, places: Places, account: Account | None, ports: PortBook, database: str) -> str:
    programs = binaries.find_postgres(places, account)
    cluster = places.home / "postgres"
    # The password stays beside the data it opens.
    password = keep_secret(places.home / "postgres-password")
    if cluster.exists():
        postgres.clear_stale_lock(cluster)
    else:
        print("Making a database cluster (once) ...", flush=True)
        postgres.create_cluster(programs, cluster, password, account)
    server = postgres.PostgresServer(
        binaries=programs, cluster=cluster, port=ports.port("postgres"), password=password, account=account
    )
    postgres.check_version(server)
    child = supervisor.keep(server.program(places.logs / "postgres.log"))
    supervisor.wait_until(lambda: postgres.is_ready(server, child), every_seconds=PROBE_SECONDS)
    postgres.ensure_database(server, database)
    return server.url(database)
