"""A broker's REST side of few words: it answers what it was told to, and remembers what it was asked.

For shapes of answers that the simulator, which keeps to the rules, does not give.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread
from typing import Any, Final

MOST_SECONDS: Final = 20.0


@dataclass
class Broker:
    """Where it is, what it says, and what it heard."""

    url: str = ""
    status: int = 200
    body: bytes = b'{"data":{},"status":"success"}'
    requests: list[tuple[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    may_answer: Event = field(default_factory=Event)
    """Set at first; cleared, requests are heard and not answered until it is set again."""

    def answer(self, status: int, body: object) -> None:
        """Answer like this from now on; bytes are sent as they are, anything else as JSON."""
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


@contextmanager
def running_broker() -> Iterator[Broker]:
    """Give a broker on a free port, which knows nothing until it is told."""
    broker = Broker()
    broker.may_answer.set()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            broker.requests.append((self.path, json.loads(body) if body else None))
            broker.headers.append({name.lower(): value for name, value in self.headers.items()})
            broker.may_answer.wait(MOST_SECONDS)
            self.send_response(broker.status)
            self.send_header("Content-Length", str(len(broker.body)))
            self.end_headers()
            self.wfile.write(broker.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    broker.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield broker
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
