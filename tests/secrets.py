"""Where secrets may have gone: every form of a token, looked for in all that a running terminal leaves behind."""

import base64
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus, urlsplit

from django.db import connection


def forms_of(secret: str) -> frozenset[bytes]:
    """Return what to look for: the secret, URL-encoded, in hexadecimal, and in base 64 wherever it may begin."""
    raw = secret.encode()
    encoded = set()
    for shift in range(3):
        # What stands around a secret mixes with its first and last characters of base 64.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded.add(encode(b"\x00" * shift + raw)[4 if shift else 0 : -4])
    return frozenset({raw, quote(secret, safe="").encode(), quote_plus(secret).encode(), raw.hex().encode(), *encoded})


def find_secrets(secrets: Sequence[str], haystack: bytes) -> list[str]:
    """Return which secrets are in there in any form, by their last four characters."""
    return [secret[-4:] for secret in secrets if any(form in haystack for form in forms_of(secret))]


def read_rows() -> bytes:
    """Return every row of every table of the database, as text."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        texts = []
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT one::text FROM {table} AS one")  # noqa: S608  the server's own names
            texts += [text for (text,) in cursor.fetchall()]
    return "\n".join(texts).encode()


def read_arguments() -> bytes:
    """Return the command line of every process of this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:
            continue  # It has ended.
    return b"\n".join(found)


class Transcript:
    """Everything that was sent to a Redis server while listened to: keys, values and messages."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def listen(self, line: socket.socket) -> None:
        """Write down what comes until the line ends."""
        while piece := line.recv(1 << 20):
            self._pieces.append(piece)

    @property
    def text(self) -> bytes:
        return b"".join(self._pieces)


@contextmanager
def listening_to(url: str) -> Iterator[Transcript]:
    """Write down all that clients send to a Redis server.

    By its own words for it, MONITOR: what is shown of a secret in transit is shown as it was sent.
    """
    server = urlsplit(url)
    transcript = Transcript()
    with socket.create_connection((server.hostname, server.port)) as line:
        if server.password:
            line.sendall(f"AUTH {server.password}\r\n".encode())
        line.sendall(b"MONITOR\r\n")
        thread = threading.Thread(target=transcript.listen, args=(line,))
        thread.start()
        try:
            yield transcript
        finally:
            line.shutdown(socket.SHUT_RDWR)
            thread.join(10)
