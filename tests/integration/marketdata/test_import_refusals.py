"""Instrument files that are refused: the previous list stays, and the refusal is recorded with its reason."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from django.utils import timezone
from pytest_django import Settings

from marketdata import services
from marketdata.models import Instrument, InstrumentImport
from tests import master_lines as made

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 2, 10, 2, 30, tzinfo=UTC)
SHARES = [made.RELIANCE.replace("2885", str(one)).replace(",RELIANCE,", f",S{one},") for one in range(3_000, 3_100)]
GOOD = made.compact_text(made.NIFTY, made.BANKNIFTY, *SHARES, made.NIFTY_MONTHLY_CALL).encode()


def run(source: str) -> InstrumentImport:
    return services.import_instruments(source=source, as_of=date(2026, 2, 10), now=NOW + timedelta(days=1))


def damaged(change: Callable[[bytes], bytes | None], path: Path) -> None:
    content = change(GOOD)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param(lambda _: None, "cannot be read: No such file or directory", id="missing"),
        pytest.param(lambda _: b"", "The file is empty", id="empty"),
        pytest.param(lambda _: gzip.compress(b""), "The file is empty", id="empty gzip"),
        pytest.param(lambda good: good[: len(good) // 2], "cut off", id="last line cut"),
        pytest.param(lambda good: gzip.compress(good)[:-200], "cut off or damaged", id="gzip cut"),
        pytest.param(lambda good: gzip.compress(good)[:500] + b"\x00" * 100, "cut off or damaged", id="gzip damaged"),
        pytest.param(lambda good: good[good.index(b"\n") + 1 :], "no header of an instrument file", id="no header"),
        pytest.param(lambda _: b"<!DOCTYPE html>\n<html>Sorry</html>\n", "no header", id="page of an error"),
        pytest.param(lambda good: good[: good.index(b"\n") + 1], "no rows", id="header alone"),
        pytest.param(
            lambda good: good + b"\n" + good.splitlines()[-1].replace(b",65.0,", b",75.0,"),
            "twice, with different rows: NSE_FNO:64872",
            id="listed twice",
        ),
        pytest.param(
            lambda good: b"\n".join(good.splitlines()[:50]), "NSE NSE_EQ EQUITY fell from 100 to 47 rows", id="half"
        ),
        pytest.param(
            lambda good: good.replace(b"NSE,I,25,", b"NSE,I,26,"),
            "lists index derivatives of NSE_FNO but not BANKNIFTY",
            id="index missing",
        ),
        pytest.param(
            lambda good: good.replace(b"NSE,", b"NCDEX,"), "None of the 103 rows can be kept", id="all skipped"
        ),
        pytest.param(
            lambda good: good.replace(b"EQUITY,0", b"EQUITY"), "rows cannot be read: line 103", id="columns missing"
        ),
    ],
)
def test_a_refused_file_leaves_the_previous_list_unchanged(
    tmp_path: Path, change: Callable[[bytes], bytes | None], sentence: str
) -> None:
    path = tmp_path / "master.csv"
    path.write_bytes(GOOD)
    assert run(str(path)).refusal == ""
    before = list(Instrument.objects.order_by("id").values())

    damaged(change, path)
    record = run(str(path))

    assert sentence in record.refusal
    assert record.refusal.endswith(".")
    assert (record.inserted, record.changed, record.delisted) == (0, 0, 0)
    assert InstrumentImport.objects.get(pk=record.pk).finished_at is not None
    assert list(Instrument.objects.order_by("id").values()) == before


def test_after_a_refusal_the_next_good_file_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "master.csv"
    path.write_bytes(GOOD)
    run(str(path))
    path.write_bytes(GOOD[:5_000])
    run(str(path))

    path.write_bytes(GOOD)

    assert run(str(path)).refusal == ""


def test_5_percent_of_a_group_may_go_and_refused_files_do_not_lower_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "master.csv"
    path.write_bytes(made.compact_text(*SHARES).encode())
    run(str(path))

    path.write_bytes(made.compact_text(*SHARES[:94]).encode())
    assert run(str(path)).refusal == "NSE NSE_EQ EQUITY fell from 100 to 94 rows."
    assert run(str(path)).refusal == "NSE NSE_EQ EQUITY fell from 100 to 94 rows."
    path.write_bytes(made.compact_text(*SHARES[:95]).encode())
    assert run(str(path)).refusal == ""


def test_a_list_without_derivatives_needs_no_indices(tmp_path: Path) -> None:
    path = tmp_path / "master.csv"
    path.write_bytes(made.compact_text(made.RELIANCE).encode())

    assert run(str(path)).refusal == ""


@contextmanager
def answering(
    status: int, body: bytes, *, length: int | None = None, date_header: str = "", age: int = 0
) -> Iterator[str]:
    """Serve one response to every request; `length` is the value of the Content-Length header."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.send_header("Age", str(age))
            self.end_headers()
            self.wfile.write(body)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return date_header or super().date_time_string(timestamp)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api-data/api-scrip-master.csv"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_file_is_downloaded_from_an_address() -> None:
    with answering(200, GOOD) as url:
        record = run(url)

    assert (record.refusal, record.rows_kept, record.source) == ("", 103, url)


def test_a_gzip_file_is_downloaded_from_an_address() -> None:
    with answering(200, gzip.compress(GOOD)) as url:
        assert run(url).rows_kept == 103


def test_a_response_with_an_error_status_is_refused() -> None:
    with answering(404, b"gone") as url:
        assert run(url).refusal == f"{url} answers 404."


def test_an_html_page_with_status_200_is_refused() -> None:
    with answering(200, b"<html><body>Maintenance</body></html>") as url:
        assert "no header of an instrument file" in run(url).refusal


def test_an_incomplete_download_is_refused() -> None:
    with answering(200, GOOD[:4_000], length=len(GOOD)) as url:
        assert "cannot be downloaded" in run(url).refusal


def test_an_unreachable_address_is_refused() -> None:
    with answering(200, b"") as url:
        pass

    assert "cannot be downloaded" in run(url).refusal


def http_date(at: datetime) -> str:
    return format_datetime(at.astimezone(UTC), usegmt=True)


def test_a_file_from_a_server_with_another_date_is_refused() -> None:
    now = timezone.now()
    with answering(200, GOOD, date_header=http_date(now - timedelta(days=3))) as url:
        record = services.import_instruments(source=url, now=now)

    here, there = timezone.localdate(now), timezone.localdate(now - timedelta(days=3))
    assert record.refusal == f"The date is {here:%d %b %Y} here and {there:%d %b %Y} at the server of the file."


@pytest.mark.parametrize(("date_header", "age"), [("", 0), ("soon", 0), ("cached", 3 * 86_400)])
def test_a_server_with_the_same_date_or_none_and_an_old_copy_of_a_cache_are_accepted(
    date_header: str, age: int
) -> None:
    now = timezone.now()
    if date_header == "cached":
        date_header = http_date(now - timedelta(seconds=age))
    with answering(200, GOOD, date_header=date_header, age=age) as url:
        assert services.import_instruments(source=url, now=now).refusal == ""


def test_a_date_that_is_given_or_set_for_a_demo_is_not_compared_with_the_server(settings: Settings) -> None:
    now = timezone.now()
    with answering(200, GOOD, date_header=http_date(now - timedelta(days=3))) as url:
        given = services.import_instruments(source=url, now=now, as_of=date(2026, 2, 10))
        settings.MARKET_DATE = date(2026, 2, 10)
        demo = services.import_instruments(source=url, now=now)

    assert (given.refusal, demo.refusal) == ("", "")
