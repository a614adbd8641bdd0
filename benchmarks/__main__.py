"""Runs one benchmark: `python -m benchmarks bench_http`.

Not as the main module of the process: the children of a benchmark would import that again, with the settings of the
parent, before they read their own (`tests.processes`).
"""

import importlib
import sys

importlib.import_module(f"benchmarks.{sys.argv[1]}").main()
