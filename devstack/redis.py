"""An embedded Redis: its configuration, its command line, its readiness.

Without persistence: everything in it is rebuilt from PostgreSQL. The password is in a private file, because every
account may read the arguments of a process.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from devstack.children import SERVERS, Child, Program
from devstack.errors import DevstackError
from devstack.logs import last_lines
from devstack.postgres import SERVER_ENVIRONMENT
from devstack.privileges import Account, give_to
from devstack.secret_files import write_private


@dataclass(frozen=True, slots=True)
class RedisServer:
    binary: Path
    directory: Path
    port: int
    password: str
    account: Account | None

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def configuration(self) -> Path:
        return self.directory / "redis.conf"

    def program(self, log: Path) -> Program:
        return Program(
            name="redis",
            arguments=[str(self.binary), str(self.configuration)],
            environment=SERVER_ENVIRONMENT,
            directory=self.directory,
            log=log,
            account=self.account,
            stop_stage=SERVERS,
        )


def write_configuration(server: RedisServer) -> None:
    """Write the configuration file, readable by the account of the server only."""
    server.directory.mkdir(mode=0o700, exist_ok=True)
    lines = [
        "bind 127.0.0.1",
        f"port {server.port}",
        f"requirepass {server.password}",
        'save ""',
        "appendonly no",
        "daemonize no",
        f"dir {json.dumps(str(server.directory), ensure_ascii=False)}",
    ]
    write_private(server.configuration, "\n".join(lines))
    give_to(server.directory, server.account)


def is_ready(server: RedisServer, child: Child) -> bool:
    """Return whether the server answers. Raises DevstackError with the end of its log if it has exited."""
    # No retries: those of redis-py wait for seconds, and the caller polls.
    never = Retry(NoBackoff(), retries=0)
    with redis.Redis(port=server.port, password=server.password, socket_timeout=2, retry=never) as client:
        try:
            client.ping()
        except redis.RedisError as error:
            if child.has_exited():
                log_tail = "\n".join(last_lines(child.program.log, count=5))
                raise DevstackError(f"Redis did not start: {error}\n{log_tail}") from error
            return False
    return True
