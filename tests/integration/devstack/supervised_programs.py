"""A program with a supervisor and two services: `supervised_programs.py DIRECTORY`.

`worker` starts a child; `stubborn` ignores SIGTERM. Each start writes
its process ids to a file in DIRECTORY.
"""

import os
import sys
from pathlib import Path

from devstack.children import WORKERS, Program
from devstack.processes import CHECKOUT_VARIABLE
from devstack.signal_waiter import SignalWaiter
from devstack.supervisor import Supervisor

WORKER = 'sleep 600 & echo "$$ $!" >worker.pids.new; mv worker.pids.new worker.pids; wait'
STUBBORN = (
    'trap "" TERM; echo "$$ $$" >stubborn.pids.new; mv stubborn.pids.new stubborn.pids; while true; do sleep 600; done'
)


def main() -> None:
    directory = Path(sys.argv[1])
    signals = SignalWaiter()
    signals.listen()
    supervisor = Supervisor(signals=signals, report=print)
    for name, script, stage in (("stubborn", STUBBORN, 0), ("worker", WORKER, WORKERS)):
        supervisor.supervise(
            Program(
                name=name,
                arguments=["sh", "-c", script],
                environment={"PATH": os.environ["PATH"], CHECKOUT_VARIABLE: str(directory)},
                directory=directory,
                log=directory / f"{name}.log",
                stop_stage=stage,
            )
        )
    supervisor.run()
    supervisor.stop_all()
    signals.ignore_signals()


if __name__ == "__main__":
    main()
