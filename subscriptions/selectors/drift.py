"""Differences between PostgreSQL and the feed: in the sent sets of the sockets, and in the last-value cache."""

from collections.abc import Collection, Iterator

from marketdata import quote_board
from marketdata.domain.feed import ConnectionState
from marketdata.domain.instruments import InstrumentKey
from subscriptions.domain.connections import ConnectionStatus
from subscriptions.selectors.connections import list_connections, list_reports
from subscriptions.selectors.wanted import list_wanted


def compare_board() -> list[str]:
    """Return the differences as sentences, by connection; changes of the last second may show as differences."""
    board = quote_board.connect()
    try:
        reports = list_reports()
        sent, cached = board.list_sent(), board.list_cached()
    except quote_board.BoardError as error:
        return [f"the quote board does not answer ({type(error).__name__})"]
    found: list[str] = []
    for one in list_connections():
        connection = one.with_report(reports.get(one.number))
        wanted = list_wanted(connection=one.number)
        name = f"connection {one.number}"
        found += _compare_sent(name, connection, {each.key for each in wanted}, sent.get(one.number, frozenset()))
        unwanted = cached[one.number] - {each.instrument_id for each in wanted}
        # Rows that a dead owner left in the cache expire without help.
        if unwanted and connection.report is not None:
            found.append(f"{name}: quotes of {len(unwanted)} instruments are cached that it does not carry")
    return found


def _compare_sent(
    name: str, connection: ConnectionStatus, wanted: Collection[InstrumentKey], sent: Collection[InstrumentKey]
) -> Iterator[str]:
    report = connection.report
    if report is None:
        if wanted:
            yield f"{name}: it has no owner, {len(wanted)} instruments wait"
        return
    if report.epoch != connection.lease_epoch:
        yield f"{name}: reported by a former owner (epoch {report.epoch}, now {connection.lease_epoch})"
    # Before "live" the sent set is still growing: missing instruments are progress, not drift.
    if report.state is not ConnectionState.LIVE:
        if wanted:
            yield f"{name}: {report.state}, {len(wanted)} instruments wait"
        return
    lacking, extra = set(wanted).difference(sent), set(sent).difference(wanted)
    if lacking:
        yield f"{name}: {len(lacking)} wanted instruments were not sent to the broker, such as {min(lacking)}"
    if extra:
        yield f"{name}: {len(extra)} instruments were sent to the broker that are not wanted, such as {min(extra)}"
