"""Where the feed differs from what Postgres wants: in what sockets were told, and in what the board keeps."""

from collections.abc import Collection, Iterator

from marketdata import quote_board
from marketdata.domain.feed import ConnectionReport, ConnectionState
from marketdata.domain.instruments import InstrumentKey
from subscriptions.models import FeedConnection
from subscriptions.selectors.wanted import list_wanted


def compare_board() -> list[str]:
    """Return the differences in words, by connection; what changed within the last second may show as one."""
    board = quote_board.connect()
    try:
        reports = {report.connection: report for report in board.list_reports()}
        told, kept = board.list_sent(), board.list_cached()
    except quote_board.BoardError as error:
        return [f"the quote board cannot be reached ({type(error).__name__})"]
    found: list[str] = []
    for row in FeedConnection.objects.select_related("lease").order_by("number"):
        wanted = list_wanted(connection=row.number)
        keys = {one.key for one in wanted}
        name = f"connection {row.number}"
        found += _compare_told(name, reports.get(row.number), row.lease.epoch, keys, told.get(row.number, frozenset()))
        unwanted = kept[row.number] - {one.instrument_id for one in wanted}
        if unwanted and row.number in reports:  # What a dead owner left behind expires.
            found.append(f"{name}: quotes of {len(unwanted)} instruments are kept that it does not carry")
    return found


def _compare_told(
    name: str,
    report: ConnectionReport | None,
    epoch: int,
    wanted: Collection[InstrumentKey],
    told: Collection[InstrumentKey],
) -> Iterator[str]:
    if report is None:
        if wanted:
            yield f"{name}: nobody owns it, {len(wanted)} instruments wait"
        return
    if report.epoch != epoch:
        yield f"{name}: reported by a former owner (epoch {report.epoch}, now {epoch})"
    if report.state != ConnectionState.LIVE:
        if wanted:
            yield f"{name}: {report.state}, {len(wanted)} instruments wait"
        return
    lacking, extra = set(wanted).difference(told), set(told).difference(wanted)
    if lacking:
        yield f"{name}: its socket was not told of {len(lacking)} instruments that are wanted, such as {min(lacking)}"
    if extra:
        yield f"{name}: its socket was told of {len(extra)} instruments that are not wanted, such as {min(extra)}"
