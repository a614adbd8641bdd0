"""The base of every refusal that a caller is told about.

A room raises its own subclass, in the module where the rule is; the one mapping to HTTP is in
`terminal.errors`, and other shells show `str(error)`. Nothing else in the product derives from it.
"""

from collections.abc import Mapping
from typing import ClassVar

Plain = str | int | float | bool | None


class DomainError(Exception):
    """A request that the rules refuse, in words for whoever made it.

    `status` is the HTTP status that suits it and `code` a stable name for programs. `extra` holds figures
    a program may act on.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "refused"

    def __init__(self, sentence: str, **extra: Plain | list[str]) -> None:
        super().__init__(sentence)
        self.extra: Mapping[str, Plain | list[str]] = extra
