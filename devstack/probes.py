"""Questions to the running stack over HTTP: is the simulator listing, is the terminal healthy."""

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass

TIMEOUT_SECONDS = 2.0
LONGEST_REPLY_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    status: int  # 0: nobody answered
    text: str


def ask(url: str) -> Answer:
    """Return what `url` says, its first bytes; a refusal is an answer too."""
    # A proxy named by the environment has no business on loopback.
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
    """Say in one line what keeps /health from 200: the parts that fail, with their reasons."""
    try:
        parts = json.loads(answer.text)["parts"].items()
        ailing = [f"{name}: {part.get('reason', part['status'])}" for name, part in parts if part["status"] != "ok"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer.text[:500]  # Not our health page; whatever it is, it is the best there is to show.
    return "; ".join(ailing)


def _text(content: bytes) -> str:
    return " ".join(content.decode(errors="replace").split())
