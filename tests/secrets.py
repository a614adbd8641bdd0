"""Search for leaked secrets: every encoding of a token, in all output of a running terminal."""

import base64
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus, urlsplit

from django.db import connection


def forms_of(secret: str) -> frozenset[bytes]:
    """Return the encodings of a secret: plain, URL-encoded, hexadecimal, and base 64 at each of the three offsets."""
    raw = secret.encode()
    encoded = set()
    for shift in range(3):
        # Neighboring bytes affect the first and last base 64 characters of a secret.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded.add(encode(b"\x00" * shift + raw)[4 if shift else 0 : -4])
    return frozenset({raw, quote(secret, safe="").encode(), quote_plus(secret).encode(), raw.hex().encode(), *encoded})


def find_secrets(secrets: Sequence[str], haystack: bytes) -> list[str]:
    """Return the last four characters of the secrets that `haystack` contains in any encoding."""
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
            cursor.execute(f"SELECT one::text FROM {table} AS one")  # noqa: S608  names from the database
            texts += [text for (text,) in cursor.fetchall()]
    return "\n".join(texts).encode()


def read_arguments() -> bytes:
    """Return the command line of every process of this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:
            continue  # The process has exited.
    return b"\n".join(found)


class Transcript:
    """Commands that clients sent to a Redis server during a recording: keys, values and messages."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def record(self, connection: socket.socket) -> None:
        """Record the bytes of `connection` until it is closed."""
        while piece := connection.recv(1 << 20):
            self._pieces.append(piece)

    @property
    def text(self) -> bytes:
        return b"".join(self._pieces)


@contextmanager
def recording_redis(url: str) -> Iterator[Transcript]:
    """Record all commands that clients send to a Redis server.

    Uses MONITOR, which shows secrets as they were sent.
    """
    server = urlsplit(url)
    transcript = Transcript()
    with socket.create_connection((server.hostname, server.port)) as connection:
        if server.password:
            connection.sendall(f"AUTH {server.password}\r\n".encode())
        connection.sendall(b"MONITOR\r\n")
        thread = threading.Thread(target=transcript.record, args=(connection,))
        thread.start()
        try:
            yield transcript
        finally:
            connection.shutdown(socket.SHUT_RDWR)
            thread.join(10)
