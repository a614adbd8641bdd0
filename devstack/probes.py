"""HTTP probes of the running stack: the simulator's instrument file, the terminal's /health."""

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass

TIMEOUT_SECONDS = 2.0  # chosen: a process on this machine that takes longer is not ready
LONGEST_REPLY_BYTES = 65_536  # chosen: many times the size of /health; the instrument file is megabytes


@dataclass(frozen=True, slots=True)
class Answer:
    status: int  # 0: no answer
    text: str


def ask(url: str) -> Answer:
    """Return status and first bytes of the answer to a GET; an HTTP error is an answer too."""
    # Without the environment's proxy, which cannot reach loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT_SECONDS) as reply:
            return Answer(status=reply.status, text=_text(reply.read(LONGEST_REPLY_BYTES)))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(status=error.code, text=_text(error.read(LONGEST_REPLY_BYTES)))
    except (OSError, http.client.HTTPException) as error:
        return Answer(status=0, text=f"no answer ({error})")


def describe_health(answer: Answer) -> str:
    """Return one line with the failing parts of /health and their reasons."""
    try:
        parts = json.loads(answer.text)["parts"].items()
        failing = [f"{name}: {part.get('reason', part['status'])}" for name, part in parts if part["status"] != "ok"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer.text[:500]  # Not our health page, perhaps of another server on this port: show it unchanged.
    return "; ".join(failing)


def _text(content: bytes) -> str:
    return " ".join(content.decode(errors="replace").split())
