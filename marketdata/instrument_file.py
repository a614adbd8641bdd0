"""STORE. The lines of an instrument file at a path or URL, plain or gzip."""

import gzip
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, Final

import httpx

from marketdata.dhan_http import tls_context

# Chosen: per read, not for the whole download.
FILE_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
FILE_SECONDS: Final = 300.0  # Chosen: half of the time limit of the task, so that the refusal is recorded.
# Chosen: seven times the usual file (about 35 MB). Bounds the temporary file.
MAX_FILE_BYTES: Final = 256 * 1024 * 1024
# Chosen: far above a row. Bounds the memory for a file without line ends.
MAX_LINE_CHARACTERS: Final = 64 * 1024
GZIP_MAGIC: Final = b"\x1f\x8b"  # RFC 1952, section 2.3.1


class InstrumentFileError(Exception):
    """An instrument file cannot be read or is incomplete; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class InstrumentFile:
    """An open instrument file: its lines, and the time at the server that sent it, None for a path."""

    lines: Iterator[str]
    served_at: datetime | None = None


@contextmanager
def open_instrument_file(source: str) -> Iterator[InstrumentFile]:
    """Yield the file at a path or http(s) URL, plain or gzip.

    Raises InstrumentFileError, also while lines are read.
    """
    if source.startswith(("http://", "https://")):
        # The whole file first: callers read the lines inside a transaction, which must not wait for the network.
        with tempfile.TemporaryFile() as downloaded:
            served_at = _download(source, downloaded)
            with _text_of(downloaded) as text:
                yield InstrumentFile(_lines(text, source), served_at)
        return
    try:
        file = Path(source).open("rb")  # noqa: SIM115  Only errors of opening get this text.
    except OSError as error:
        raise InstrumentFileError(f"{source} cannot be read: {error.strerror}.") from error
    with file, _text_of(file) as text:
        yield InstrumentFile(_lines(text, source))


def _download(url: str, file: IO[bytes]) -> datetime | None:
    """Write the response to `file`; return the time at the server, None without a valid one."""
    size, ends_at = 0, time.monotonic() + FILE_SECONDS
    try:
        with httpx.stream("GET", url, timeout=FILE_TIMEOUT, follow_redirects=True, verify=tls_context()) as response:
            if response.status_code != httpx.codes.OK:
                raise InstrumentFileError(f"{url} answers {response.status_code}.")
            for chunk in response.iter_bytes():
                size += len(chunk)
                if size > MAX_FILE_BYTES:
                    raise InstrumentFileError(f"{url} is longer than {MAX_FILE_BYTES:,} bytes.")
                if time.monotonic() > ends_at:
                    raise InstrumentFileError(f"{url} was not downloaded within {FILE_SECONDS:.0f} s.")
                file.write(chunk)
            return _served_at(response.headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise InstrumentFileError(f"{url} cannot be downloaded: {error}.") from error


def _served_at(headers: httpx.Headers) -> datetime | None:
    # A cache answers with the Date of the original response, and its Age in seconds (RFC 9111, section 5.1).
    age = headers.get("Age", "0").strip()
    try:
        sent = parsedate_to_datetime(headers.get("Date", ""))
    except ValueError:
        return None
    return sent + timedelta(seconds=int(age)) if age.isdecimal() and len(age) < 10 and sent.tzinfo else None


def _text_of(file: IO[bytes]) -> TextIOWrapper:
    file.seek(0)
    is_gzip = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    binary: Any = gzip.GzipFile(fileobj=file) if is_gzip else file
    return TextIOWrapper(binary, encoding="utf-8", errors="replace", newline="")


def _lines(text: TextIOWrapper, source: str) -> Iterator[str]:
    try:
        while line := text.readline(MAX_LINE_CHARACTERS):
            yield line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InstrumentFileError(f"{source} is cut off or damaged: {error}.") from error
    except OSError as error:
        raise InstrumentFileError(f"{source} cannot be read: {error.strerror}.") from error
