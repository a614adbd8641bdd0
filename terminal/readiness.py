"""`/ready`: whether a load balancer may send new requests to this web process.

Only facts of this process count. An outage of PostgreSQL, Redis or the feed is shared by all web processes: removing
them all from the load balancer would end the streams that continue. So a process is ready once both servers have
answered it for the first time after its start, and stays ready, without asking them again, until it has no room for
another browser. The state of the terminal is at `/health`.
"""

from typing import Final

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from marketdata import quote_board
from terminal.admission import Sockets, sockets
from terminal.health import DEADLINE_SECONDS
from terminal.probes import DatabaseProbe, NoAnswer, Probe, ask_all
from terminal.renderers import encode_json


class FirstAnswers:
    """Whether PostgreSQL and Redis have answered this process since its start."""

    def __init__(self) -> None:
        self._are_complete = False

    def list_missing(self) -> list[str]:
        """Return a sentence for each server that never answered; asks them only until both have."""
        if self._are_complete:
            return []
        answers = ask_all(
            {
                "database": DatabaseProbe(connection.ensure_connection),
                "redis": Probe(quote_board.connect().ping, quote_board.BoardError),
            },
            seconds=DEADLINE_SECONDS,
        )
        missing = [f"{name}: {one}" for name, one in answers.items() if isinstance(one, NoAnswer)]
        self._are_complete = not missing
        return missing


first_answers: Final = FirstAnswers()


def list_reasons(answers: FirstAnswers, taken: Sockets) -> list[str]:
    """Return why this process accepts no new browser; empty if it does."""
    full = ["the maximum of browser sockets is open"] if taken.is_full else []
    return answers.list_missing() + full


@never_cache
@require_safe
def ready(_request: HttpRequest) -> HttpResponse:
    """Answer 200 if this process accepts new browsers, else 503 with the reasons."""
    reasons = list_reasons(first_answers, sockets)
    body = {"ready": not reasons, "reasons": reasons}
    return HttpResponse(encode_json(body), status=503 if reasons else 200, content_type="application/json")
