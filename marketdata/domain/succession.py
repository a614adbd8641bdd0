"""Succession: which listed instrument continues one that is no longer listed under its former terms.

Exchanges move expiries, give a share another series and with it another security id, rename companies, and use ids
again. A security id alone therefore proves nothing. `RULES` is the table, in order of strength: the first rule that
fits any candidate decides. A rule compares the terms of both instruments; a new name needs evidence from the whole
list: the former name is gone and the present one is new. Two instruments whose ids were exchanged are thus never taken
for renamed, because both names are still listed.

Pure. `selectors.succession` and the import read the pairs. Contracts that have expired have no successor: callers
leave them out.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Final

from marketdata.domain.instruments import ExchangeSegment, InstrumentType, SeriesKey

# ISO 6166 as NSDL assigns it in India: country (2), type of issuer (1), issuer (4), then security type, serial and
# check digit. A split or a change of face value gives a share another ISIN of the same issuer.
ISSUER_LENGTH: Final = 7


class Change(StrEnum):
    """How an instrument differs from the one that it continues; the values are reasons of the audit log."""

    NEW_ID = "NEW_ID"
    EXPIRY_MOVED = "EXPIRY_MOVED"
    RENAMED = "RENAMED"


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of an instrument that rules compare. `symbol` is that of the underlying; `isin` may be empty."""

    segment: ExchangeSegment
    security_id: int
    instrument_type: InstrumentType
    symbol: str
    token: str
    isin: str
    expiry: date | None
    strike: Decimal | None
    option_type: str

    @property
    def is_contract(self) -> bool:
        """Whether it is a derivative; otherwise a cash instrument or an index."""
        return self.expiry is not None


@dataclass(frozen=True, slots=True)
class Pair:
    """An instrument that is gone and a candidate to continue it.

    `is_contract_gone`: no listed instrument has the former terms. `is_symbol_gone`: none of the segment has the former
    symbol. `is_symbol_new`: none of the segment had the present symbol before.
    """

    former_id: int
    former: Terms
    present_id: int
    present: Terms
    is_contract_gone: bool = True
    is_symbol_gone: bool = False
    is_symbol_new: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: the terms that must be equal, and the evidence that must be given."""

    change: Change
    equal: tuple[str, ...]
    is_of_contracts: bool
    needs_contract_gone: bool = False
    needs_rename: bool = False
    needs_isin: bool = False
    needs_same_issuer: bool = False

    @property
    def is_of_one_key(self) -> bool:
        """Whether the security id stays, so that the stored row can stay too."""
        return "security_id" in self.equal

    def fits(self, pair: Pair) -> bool:
        """Return whether the candidate of `pair` continues the former instrument by this rule."""
        former, present = pair.former, pair.present
        return (
            former.is_contract == present.is_contract == self.is_of_contracts
            and all(attrgetter(name)(former) == attrgetter(name)(present) for name in self.equal)
            and (pair.is_contract_gone or not self.needs_contract_gone)
            and ((pair.is_symbol_gone and pair.is_symbol_new) or not self.needs_rename)
            and (former.isin != "" or not self.needs_isin)
            and (_may_be_one_issuer(former, present) or not self.needs_same_issuer)
        )


_MARKET: Final = ("segment", "instrument_type")
_KEY: Final = (*_MARKET, "security_id")
RULES: Final[Sequence[Rule]] = (
    Rule(Change.NEW_ID, (*_MARKET, "symbol", "expiry", "strike", "option_type"), is_of_contracts=True),
    Rule(
        Change.EXPIRY_MOVED, (*_KEY, "symbol", "strike", "option_type"), is_of_contracts=True, needs_contract_gone=True
    ),
    Rule(Change.RENAMED, (*_KEY, "expiry", "strike", "option_type"), is_of_contracts=True, needs_rename=True),
    Rule(Change.NEW_ID, (*_MARKET, "isin"), is_of_contracts=False, needs_isin=True),
    # The token of the ordinary share is the symbol alone; that of a bond or of a second series has a suffix.
    Rule(Change.NEW_ID, (*_MARKET, "token"), is_of_contracts=False, needs_same_issuer=True),
    Rule(Change.RENAMED, _KEY, is_of_contracts=False, needs_rename=True, needs_same_issuer=True),
)


def find_change_of_row(pair: Pair) -> Change | None:
    """Return how the present instrument continues the former one under the same key; None if it is another one."""
    return next((rule.change for rule in RULES if rule.is_of_one_key and rule.fits(pair)), None)


def choose_successor(pairs: Iterable[Pair]) -> tuple[Pair, Change] | None:
    """Return the pair whose candidate continues the former instrument, and how; None if none does.

    All `pairs` are of one former instrument. Of several candidates of one rule, the one with the lowest security id.
    """
    candidates = sorted(pairs, key=lambda pair: pair.present.security_id)
    for rule in RULES:
        for pair in candidates:
            if rule.fits(pair):
                return pair, rule.change
    return None


def choose_series(successors: Iterable[tuple[SeriesKey, Change]]) -> tuple[SeriesKey, Change] | None:
    """Return the series that most options of a former series belong to now, and how it differs; a tie: the nearest.

    `successors` has the present series of each option that has one.
    """
    counted = Counter(successors)
    if not counted:
        return None
    return min(counted, key=lambda found: (-counted[found], found[0].expiry, found[0].underlying))


def _may_be_one_issuer(former: Terms, present: Terms) -> bool:
    if not former.isin or not present.isin:
        return True
    return former.isin[:ISSUER_LENGTH] == present.isin[:ISSUER_LENGTH]
