"""One part of `/health`: its status, the reason, and its figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """State of a part, worst last."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Part:
    """State of one part, and the reason if it is not ok."""

    status: Status
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the part as JSON members."""
        return {"status": self.status, **({"reason": self.reason} if self.reason else {}), **self.details}
