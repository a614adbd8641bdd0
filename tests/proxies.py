"""A TCP proxy on a thread of its own, so that one worker can lose the broker while the others keep it."""

import select
import socket
import socketserver
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
        super().__init__(address, _Pipe)


class _Pipe(socketserver.BaseRequestHandler):
    """Passes bytes both ways until either side is closed."""

    server: _Server

    def handle(self) -> None:
        with socket.create_connection(self.server.target) as onward:
            self.server.open += [self.request, onward]
            ways = {self.request: onward, onward: self.request}
            try:
                while True:
                    for source in select.select(list(ways), [], [])[0]:
                        received = source.recv(65_536)
                        if not received:
                            return
                        ways[source].sendall(received)
            except (OSError, ValueError):
                return


class Proxy:
    """Listens on a port of its own while it is up; `cut` drops what is open and refuses what comes."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self.port = 0
        self._server: _Server | None = None
        self.restore()

    def restore(self) -> None:
        """Listen (again), on the same port."""
        self._server = _Server(("127.0.0.1", self.port), self._target)
        self.port = int(self._server.server_address[1])
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def cut(self) -> None:
        """Drop everything and listen no more."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
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
