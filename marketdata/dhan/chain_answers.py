"""Reader of the broker's option chain, the answer of `optionchain`: an odd option is left out, the others are taken.

The content is {"last_price": price of the underlying, "oc": {strike: {"ce": option, "pe": option}}}, with strikes as
text of six decimals; one side of a strike may be missing. Open interest, volume and the open interest of the day before
are in units (docs/dhan.md, section "REST"). The rules of `rest_answers` hold: an option is taken whole or not at all, a
missing member is unknown, odd options are counted by kind, no content raises but one that is no chain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from marketdata.dhan.rest_answers import (
    MAX_PRICE,
    OddItems,
    OddKind,
    OddValue,
    as_object,
    read_count,
    read_optional,
    read_price,
)
from marketdata.domain.instruments import OptionType

# Four decimals: the most that a listed strike has.
STRIKE_UNIT: Final = Decimal("0.0001")
_SIDES: Final = {"ce": OptionType.CE, "pe": OptionType.PE}


@dataclass(frozen=True, slots=True)
class ChainOption:
    """One option of a chain: prices in rupees, counts in units; None is unknown."""

    ltp: float | None
    previous_close: float | None
    bid: float | None
    ask: float | None
    oi: int | None
    previous_oi: int | None
    volume: int | None


@dataclass(frozen=True, slots=True)
class ChainReading:
    """The readable options of a chain by strike and type, and its odd ones."""

    options: Mapping[tuple[Decimal, OptionType], ChainOption]
    odd: OddItems


def read_chain(content: object) -> ChainReading:
    """Return the options in the content of an answer. Raises OddValue for a content that is no chain."""
    chain = as_object(content)
    if "oc" not in chain:
        raise OddValue(OddKind.MISSING)
    strikes, odd = as_object(chain["oc"]), OddItems()
    options: dict[tuple[Decimal, OptionType], ChainOption] = {}
    for text, listed in strikes.items():
        try:
            strike, sides = _read_strike(text), as_object(listed)
        except OddValue as error:
            odd.note(error.kind, text)
            continue
        for name, item in sides.items():
            try:
                if name not in _SIDES:
                    raise OddValue(OddKind.FORM)
                options[strike, _SIDES[name]] = _read_option(as_object(item))
            except OddValue as error:
                odd.note(error.kind, f"{text} {name}")
    return ChainReading(options, odd)


def _read_strike(text: str) -> Decimal:
    try:
        strike = Decimal(text)
    except InvalidOperation:
        raise OddValue(OddKind.TEXT) from None
    if not strike.is_finite():
        raise OddValue(OddKind.NOT_FINITE)
    if not 0 < strike <= MAX_PRICE:
        raise OddValue(OddKind.TOO_LARGE if strike > 0 else OddKind.NEGATIVE)
    return strike.quantize(STRIKE_UNIT)


def _read_option(item: Mapping[str, Any]) -> ChainOption:
    """Return one option; a price of zero is unknown, an open interest of zero is not."""
    return ChainOption(
        ltp=read_price(item, "last_price") or None,
        previous_close=read_optional(read_price, item, "previous_close_price") or None,
        bid=read_optional(read_price, item, "top_bid_price") or None,
        ask=read_optional(read_price, item, "top_ask_price") or None,
        oi=read_optional(read_count, item, "oi"),
        previous_oi=read_optional(read_count, item, "previous_oi"),
        volume=read_optional(read_count, item, "volume"),
    )
