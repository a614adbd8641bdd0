"""The runner's command line: `python -m devstack run` and `python -m devstack exec -- COMMAND ...`."""

import argparse
import os
import sys
from pathlib import Path

from devstack import throwaway
from devstack.errors import DevstackError
from devstack.places import prepare_places
from devstack.privileges import server_account

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    arguments = _parser().parse_args()
    try:
        return _execute(arguments.command)
    except DevstackError as error:
        print(f"devstack: {error}", file=sys.stderr)
        return 2


def _execute(command: list[str]) -> int:
    account = server_account(euid=os.geteuid())
    places = prepare_places(ROOT, account)
    return throwaway.execute(command, places=places, account=account, environ=os.environ)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m devstack", description=__doc__)
    commands = parser.add_subparsers(required=True)
    execute = commands.add_parser("exec", help="run a command with throw-away PostgreSQL and Redis")
    execute.add_argument("command", nargs="+", metavar="COMMAND")
    return parser


if __name__ == "__main__":
    sys.exit(main())
