"""A small stack under a real supervisor, to be run as a program of its own: `keeper.py DIRECTORY`.

`worker` has a child of its own; `stubborn` does not listen to SIGTERM. Each start writes
its process ids to a file in DIRECTORY.
"""

import os
import sys
from pathlib import Path

from devstack.bell import Bell
from devstack.children import WORKERS, Program
from devstack.processes import MARK
from devstack.supervisor import Supervisor

WORKER = 'sleep 600 & echo "$$ $!" >worker.pids.new; mv worker.pids.new worker.pids; wait'
STUBBORN = (
    'trap "" TERM; echo "$$ $$" >stubborn.pids.new; mv stubborn.pids.new stubborn.pids; while true; do sleep 600; done'
)


def main() -> None:
    directory = Path(sys.argv[1])
    bell = Bell()
    bell.listen()
    supervisor = Supervisor(bell=bell, report=print)
    for name, script, stage in (("stubborn", STUBBORN, 0), ("worker", WORKER, WORKERS)):
        supervisor.keep(
            Program(
                name=name,
                arguments=["sh", "-c", script],
                environment={"PATH": os.environ["PATH"], MARK: str(directory)},
                directory=directory,
                log=directory / f"{name}.log",
                stop_stage=stage,
            )
        )
    supervisor.run()
    supervisor.stop_all()
    bell.fall_silent()


if __name__ == "__main__":
    main()
