"""The management commands of a start, with their progress on the terminal of the user. Several may run at a time."""

import time

from devstack.children import Program
from devstack.errors import DevstackError
from devstack.logs import LogTail, last_lines
from devstack.supervisor import Supervisor


class StartStep:
    """A command that ends by itself, begun at once.

    `is_shown`: its output is printed as it comes. `advice`: it may fail, which is then reported with this sentence.
    """

    def __init__(
        self, supervisor: Supervisor, program: Program, what: str, *, is_shown: bool = False, advice: str | None = None
    ) -> None:
        announce(f"{what} ...")
        self._supervisor = supervisor
        self._what = what
        self._advice = advice
        self._began_at = time.monotonic()
        # The log may have lines of an earlier command of this name.
        self._tail = LogTail(program.log) if is_shown else None
        self._command = supervisor.begin(program)
        self._is_done = False

    def poll(self) -> bool:
        """Print new output; return whether the command has ended. Raises DevstackError if it had to succeed."""
        if self._is_done:
            return True
        has_exited = self._command.has_exited()
        for line in self._tail.new_lines() if self._tail else ():
            announce(f"  {line}")
        if not has_exited:
            return False
        self._is_done = True
        code = self._supervisor.finish(self._command)
        if code == 0:
            announce(f"{self._what}: done in {time.monotonic() - self._began_at:.1f} s")
            return True
        failure = _with_log_tail(f"{self._what} failed with exit code {code}.", self._command.program)
        if self._advice is None:
            raise DevstackError(failure)
        announce(f"{failure}\n{self._advice}")
        return True

    def finish(self) -> None:
        """Wait until the command has ended, while the services are supervised. Raises DevstackError, as `poll`."""
        self._supervisor.wait_until(self.poll)


def _with_log_tail(sentence: str, program: Program) -> str:
    """Return the sentence and the end of the log of a program."""
    return "\n  ".join([f"{sentence} The end of {program.log}:", *last_lines(program.log, count=15)])


def announce(line: str) -> None:
    """Print a line on the terminal of the user."""
    print(line, flush=True)
