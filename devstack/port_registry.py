"""The loopback ports of the stack: chosen once, stored in a file, and reused by later runs while they are free."""

import json
from collections.abc import Mapping
from pathlib import Path

from devstack.ports import choose_port


class PortRegistry:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._chosen: dict[str, int] = {}
        self._taken: set[int] = set()

    def port(self, name: str, *, count: int = 1) -> int:
        """Return the port called `name`, the first of `count` in a row; the first call of a run chooses it."""
        if name not in self._chosen:
            remembered = self._remembered()
            # Ports chosen in this run are not listening yet: the probe alone would offer them again.
            self._chosen[name] = choose_port(preferred=remembered.get(name), taken=self._taken, count=count)
            self._taken.update(range(self._chosen[name], self._chosen[name] + count))
            self._path.write_text(json.dumps({**remembered, **self._chosen}))
        return self._chosen[name]

    def _remembered(self) -> Mapping[str, int]:
        try:
            entries = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return {name: port for name, port in entries.items() if isinstance(port, int)}
