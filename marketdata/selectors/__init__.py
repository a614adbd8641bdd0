"""Reads of instruments, prices, the calendar and the broker login; typed values, never half-built querysets."""

from marketdata.selectors.analytics import ChainAnalytics, OptionAnalytics, get_chain_analytics
from marketdata.selectors.broker_chains import list_broker_chains, list_chain_quotes
from marketdata.selectors.broker_login import (
    AccessTokenStatus,
    BrokerLogin,
    PreviousLogin,
    TokenSource,
    environment_mark,
    find_previous_login,
    get_access_token_status,
    get_broker_login,
    read_credentials,
)
from marketdata.selectors.chart_instruments import get_chart_instrument
from marketdata.selectors.closes import PreviousClose, list_previous_closes
from marketdata.selectors.contracts import (
    Contracts,
    ExpiryRow,
    FutureRow,
    PastExpiry,
    UnknownExpiry,
    get_future,
    list_contracts,
    list_expiries,
    list_first_current,
    list_over,
)
from marketdata.selectors.details import InstrumentDetails, get_instrument_details
from marketdata.selectors.full_quotes import FullQuote, find_full_quote
from marketdata.selectors.hit_prices import list_hit_prices
from marketdata.selectors.imports import LastImport, find_last_import, find_unfollowed_import
from marketdata.selectors.listing_cache import ListingCache, get_list_state
from marketdata.selectors.named_symbols import ContradictoryExpiry, NamedUnderlying, resolve_symbol
from marketdata.selectors.prices import (
    PlainQuote,
    Price,
    PriceSource,
    PriceUnknown,
    list_ltps,
    list_prices,
    list_quotes,
)
from marketdata.selectors.search import Offer, SearchAnswer, SearchHit, answer_search, search_instruments
from marketdata.selectors.series import (
    Leg,
    NoOptions,
    NoSpot,
    SeriesListing,
    get_series,
    get_series_by_key,
    list_series,
    list_spots,
)
from marketdata.selectors.sessions import (
    MarketCalendar,
    list_current_from,
    list_unknown_years,
    next_trading_day_missing,
    read_calendar,
)
from marketdata.selectors.single_instruments import (
    ContradictoryStrike,
    NotOneOption,
    Side,
    UnknownStrike,
    get_listed_instrument,
    get_option,
)
from marketdata.selectors.straddle_points import StraddleDay, get_straddle_day
from marketdata.selectors.succession import (
    FollowedSeries,
    SeriesSuccessor,
    Successor,
    find_followed_series,
    list_series_successors,
    list_successors,
)
from marketdata.selectors.tokens import AmbiguousSymbol, get_instrument
from marketdata.selectors.underlyings import (
    IST,
    Underlying,
    UnderlyingKind,
    UnknownSymbol,
    find_underlying,
    get_equity,
    get_index,
    get_instrument_by_id,
    is_token_prefixed,
    list_existing,
    list_instruments,
    market_now,
    market_today,
    parse_exchange,
    spell,
)
from marketdata.selectors.windows import find_window, list_windows
