"""The command line: `python -m devstack run`, `... exec -- COMMAND ...` and `... manage -- COMMAND ...`."""

import argparse
import os
import sys
from pathlib import Path

from devstack import ephemeral, management, stack
from devstack.errors import DevstackError
from devstack.paths import prepare_paths
from devstack.privileges import server_account

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    arguments = _parser().parse_args()
    try:
        return _execute(arguments)
    except DevstackError as error:
        print(f"devstack: {error}", file=sys.stderr)
        return 2


def _execute(arguments: argparse.Namespace) -> int:
    if arguments.verb == "manage":
        management.run_command(arguments.command, root=ROOT, environ=os.environ)
    account = server_account(euid=os.geteuid())
    paths = prepare_paths(ROOT, account)
    if arguments.verb == "run":
        return stack.run(paths=paths, account=account, environ=os.environ)
    return ephemeral.execute(
        arguments.command, paths=paths, account=account, environ=os.environ, is_durable=arguments.durable
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m devstack", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("run", help="run the whole stack in the foreground")
    manage = verbs.add_parser("manage", help="run a management command of Django on the running stack")
    manage.add_argument("command", nargs="*", metavar="COMMAND")
    execute = verbs.add_parser("exec", help="run a command with a temporary PostgreSQL and Redis")
    execute.add_argument(
        "--durable", action="store_true", help="write to disk as the server of `run` does, for benchmarks"
    )
    execute.add_argument("command", nargs="+", metavar="COMMAND")
    return parser


if __name__ == "__main__":
    sys.exit(main())
