"""The base class of every refusal by a rule.

Each package raises its own subclass, defined in the module of the rule. `terminal.errors` alone maps `code` to an HTTP
status; other callers show `str(error)`.
"""

from collections.abc import Mapping
from typing import ClassVar

JsonScalar = str | int | float | bool | None


class DomainError(Exception):
    """A request that a rule refuses; the text is a sentence for the caller.

    `code` is a stable name for programs and has an entry in `terminal.errors.STATUS_OF`. `extra` becomes members of
    the answer, for programs too: numbers, names, dates.
    """

    code: ClassVar[str]

    def __init__(self, sentence: str, **extra: JsonScalar | list[str]) -> None:
        super().__init__(sentence)
        self.extra: Mapping[str, JsonScalar | list[str]] = extra
