"""A TCP proxy in a thread that can cut connections, make them half-open, or slow them down."""

import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    target: tuple[str, int]

    def __init__(self, address: tuple[str, int], target: tuple[str, int]) -> None:
        self.target = target
        self.open: list[socket.socket] = []
        self.passes = threading.Event()
        self.passes.set()
        self.generation = 0
        self.delay_seconds = 0.0
        self.accepted = 0
        super().__init__(address, _Pipe)


class _Pipe(socketserver.BaseRequestHandler):
    """Forwards bytes in both directions until either side is closed."""

    server: _Server

    def handle(self) -> None:
        generation = self.server.generation
        self.server.accepted += 1
        with socket.create_connection(self.server.target) as onward:
            self.server.open += [self.request, onward]
            ways = {self.request: onward, onward: self.request}
            try:
                while True:
                    for source in select.select(list(ways), [], [])[0]:
                        self.server.passes.wait()
                        if generation != self.server.generation:
                            threading.Event().wait()  # Half-open until the end of the test.
                        threading.Event().wait(self.server.delay_seconds)
                        received = source.recv(65_536)
                        if not received:
                            return
                        ways[source].sendall(received)
            except (OSError, ValueError):
                return


class Proxy:
    """Listens on a free port; `cut` closes all connections and refuses new ones."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self.port = 0
        self._server: _Server | None = None
        self.restore()

    def restore(self) -> None:
        """Listen again on the same port."""
        self._server = _Server(("127.0.0.1", self.port), self._target)
        self.port = int(self._server.server_address[1])
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def hold(self) -> None:
        """Forward nothing and close nothing: connections become half-open, new ones are accepted."""
        self._serving().passes.clear()

    def make_half_open(self) -> None:
        """Make open connections half-open without closing them; new connections work."""
        self._serving().generation += 1

    def release(self) -> None:
        """Forward again, beginning with the bytes that were held."""
        self._serving().passes.set()

    def slow_down(self, delay_seconds: float) -> None:
        """Delay every chunk in both directions by `delay_seconds`; 0 removes the delay."""
        self._serving().delay_seconds = delay_seconds

    @property
    def accepted(self) -> int:
        """The number of connections since the last `restore`: for an HTTP client without a pool, its requests."""
        return self._serving().accepted

    def _serving(self) -> _Server:
        assert self._server is not None, "the proxy is cut"
        return self._server

    def cut(self) -> None:
        """Close all connections and stop listening."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server.passes.set()
        for one in self._server.open:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._server = None


@contextmanager
def running_proxy(target_port: int) -> Iterator[Proxy]:
    """Yield a proxy to a port of this machine."""
    proxy = Proxy(target_port)
    try:
        yield proxy
    finally:
        proxy.cut()
