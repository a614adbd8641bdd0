"""PostgreSQL and Redis of `make run`, under the supervisor. The data of PostgreSQL survives the run.

A server named by DATABASE_URL or REDIS_URL is used instead, and none is started.
"""

from collections.abc import Mapping

from devstack import binaries, postgres, redis
from devstack.paths import Paths
from devstack.port_registry import PortRegistry
from devstack.privileges import Account
from devstack.secret_files import load_or_create_secret
from devstack.supervisor import Supervisor

PROBE_INTERVAL_SECONDS = 0.02  # chosen: the servers start in about 100 ms


def start(
    supervisor: Supervisor,
    *,
    paths: Paths,
    account: Account | None,
    ports: PortRegistry,
    environ: Mapping[str, str],
    database: str,
    max_connections: int,
) -> dict[str, str]:
    """Start the servers that the environment does not name; return the variables with the URLs of both.

    `max_connections` is that of PostgreSQL.
    """
    return {
        "REDIS_URL": environ.get("REDIS_URL") or _redis(supervisor, paths, account, ports),
        "DATABASE_URL": environ.get("DATABASE_URL")
        or _postgres(supervisor, paths, account, ports, database=database, max_connections=max_connections),
    }


def _redis(supervisor: Supervisor, paths: Paths, account: Account | None, ports: PortRegistry) -> str:
    server = redis.RedisServer(
        binary=binaries.find_redis(paths, account),
        directory=paths.home / "redis",
        port=ports.port("redis"),
        password=load_or_create_secret(paths.run / "redis-password"),
        account=account,
    )
    redis.write_configuration(server)
    child = supervisor.supervise(server.program(paths.logs / "redis.log"))
    supervisor.wait_until(lambda: redis.is_ready(server, child), every_seconds=PROBE_INTERVAL_SECONDS)
    return server.url


def _postgres(
    supervisor: Supervisor,
    paths: Paths,
    account: Account | None,
    ports: PortRegistry,
    *,
    database: str,
    max_connections: int,
) -> str:
    programs = binaries.find_postgres(paths, account)
    cluster = paths.home / "postgres"
    # Beside the data: a cluster that is moved or deleted takes its password along.
    password = load_or_create_secret(paths.home / "postgres-password")
    if cluster.exists():
        postgres.clear_stale_lock(cluster)
    else:
        print("Making a database cluster (once) ...", flush=True)
        postgres.create_cluster(programs, cluster, password, account)
    server = postgres.PostgresServer(
        binaries=programs,
        cluster=cluster,
        port=ports.port("postgres"),
        password=password,
        account=account,
        max_connections=max_connections,
    )
    postgres.check_version(server)
    child = supervisor.supervise(server.program(paths.logs / "postgres.log"))
    supervisor.wait_until(lambda: postgres.is_ready(server, child), every_seconds=PROBE_INTERVAL_SECONDS)
    postgres.ensure_database(server, database)
    return server.url(database)
