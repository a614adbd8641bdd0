"""Dry run of a preload rule against the present listing; writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from marketdata import selectors as market_selectors
from marketdata.domain.expiries import ExpiryKind, classify
from marketdata.domain.instruments import SeriesKey
from marketdata.selectors import Contracts
from subscriptions.domain.preload import Rule, expiries_to_hold, futures_to_hold
from subscriptions.selectors.preload import count_free


@dataclass(frozen=True, slots=True)
class PreviewedSeries:
    """One series that a rule would claim, with its listed strikes and their legs."""

    series: SeriesKey
    kind: ExpiryKind
    strikes: int
    legs: int


@dataclass(frozen=True, slots=True)
class RulePreview:
    """Targets of a rule, their legs (without spots), and the parts of the rule that the listing cannot serve."""

    series: Sequence[PreviewedSeries]
    futures: Sequence[str]
    legs: int
    missing: Sequence[str]
    free: int  # slots on the connections now


def preview_rule(*, rule: Rule) -> RulePreview:
    """Return the targets of `rule`, saved or not. Counts of strikes need no price; their window would."""
    key = (rule.segment, rule.underlying)
    contracts = market_selectors.list_contracts(underlyings=[key], from_date=market_selectors.market_today())[key]
    today = market_selectors.list_first_current({key: contracts})[rule.segment]
    kinds = classify(contracts.option_expiries)
    expiries = expiries_to_hold(rule, contracts.option_expiries, today=today)
    keys = [SeriesKey(rule.segment, rule.underlying, expiry) for expiry in expiries]
    listings = market_selectors.list_series(keys=keys)
    dates = set(futures_to_hold(rule, [one.expiry for one in contracts.futures], today=today))
    futures = [one.token for one in contracts.futures if one.expiry in dates]
    # Listed strikes, not the window: a rule asks for a number, and the listing may have fewer.
    series = []
    for one in keys:
        strikes = min(rule.strikes, len(listings[one].strikes)) if one in listings else 0
        series.append(PreviewedSeries(one, kinds[one.expiry], strikes, 2 * strikes))
    return RulePreview(
        series=series,
        futures=futures,
        legs=sum(one.legs for one in series) + len(futures),
        missing=[*_missing_expiries(rule, contracts, today), *_missing_strikes(rule, series)],
        free=count_free(),
    )


def _missing_expiries(rule: Rule, contracts: Contracts, today: date) -> list[str]:
    kinds = [kind for expiry, kind in classify(contracts.option_expiries).items() if expiry >= today]
    futures = len({one.expiry for one in contracts.futures if one.expiry >= today})
    asked = [
        (rule.weekly, sum(kind is ExpiryKind.WEEKLY for kind in kinds), "weekly expiries"),
        (rule.monthly, sum(kind.is_monthly for kind in kinds), "monthly expiries"),
        (rule.quarterly, sum(kind is ExpiryKind.QUARTERLY for kind in kinds), "quarterly expiries"),
        (rule.futures, futures, "futures"),
    ]
    return [f"{wanted} {what} asked for, {listed} listed" for wanted, listed, what in asked if wanted > listed]


def _missing_strikes(rule: Rule, series: Sequence[PreviewedSeries]) -> list[str]:
    return [
        f"{one.series}: {rule.strikes} strikes asked for, {one.strikes} listed"
        if one.strikes
        else f"{one.series}: its underlying is not listed"
        for one in series
        if one.strikes < rule.strikes
    ]
