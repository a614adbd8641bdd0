"""Last prices for the hits of a search: one read of the quote board for all of them."""

from collections.abc import Iterable, Mapping

from marketdata import quote_board
from marketdata.selectors.prices import Price, list_prices


def list_hit_prices(*, instrument_ids: Iterable[int]) -> Mapping[int, Price]:
    """Return the last prices by instrument id; none while the board is out of reach, since hits are useful alone."""
    try:
        return list_prices(instrument_ids=instrument_ids)
    except quote_board.BoardError:
        return {}
