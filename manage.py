#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

from django.core.management import execute_from_command_line

from terminal import __version__


def main() -> None:
    """Run a management command; `--version` prints our version, where Django would print its own."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"Broking Terminal {__version__}\n")
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "terminal.settings")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
