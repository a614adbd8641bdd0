"""Runs one benchmark: `python -m benchmarks bench_http`, with its options after the name.

Not as the main module of the process: the children of a benchmark would import that again, with the settings of the
parent, before they read their own (`tests.processes`). A benchmark with options defines `add_options`.
"""

import argparse
import importlib
import sys


def main() -> None:
    name, *arguments = sys.argv[1:]
    module = importlib.import_module(f"benchmarks.{name}")
    parser = argparse.ArgumentParser(
        prog=name, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if hasattr(module, "add_options"):
        module.add_options(parser)
        module.main(parser.parse_args(arguments))
    else:
        parser.parse_args(arguments)
        module.main()


if __name__ == "__main__":
    main()
