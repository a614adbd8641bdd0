"""A stub of the broker's REST API: it sends a configured answer and records the requests.

For answers that the simulator, which follows the broker's documentation, never gives.
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
    """Address, configured answer and recorded requests."""

    url: str = ""
    status: int = 200
    body: bytes = b'{"data":{},"status":"success"}'
    requests: list[tuple[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    may_answer: Event = field(default_factory=Event)
    """Set initially; while it is cleared, requests are recorded and their answers wait."""

    def answer(self, status: int, body: object) -> None:
        """Configure the answer; bytes are sent unchanged, any other body as JSON."""
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


@contextmanager
def running_broker() -> Iterator[Broker]:
    """Yield a stub on a free port, with an empty answer."""
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
            """Suppress the log of requests."""

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
