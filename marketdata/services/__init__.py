"""Writes of marketdata: instruments, windows of chains, the access token, the calendar."""

from marketdata.services.access_token import (
    Renewal,
    check_token,
    note_refusal,
    renew_token,
    reseal_tokens,
    restore_previous_token,
    store_token,
)
from marketdata.services.chain_requests import current_chain, request_chains
from marketdata.services.chains import (
    Chain,
    chain_at,
    move_windows,
    open_chain,
    store_first_window,
    store_windows,
    stored_chain,
    with_current_window,
)
from marketdata.services.closes import RecordedCloses, record_closes, remove_old_closes
from marketdata.services.entered_token import TokenRefused, TokenUntested, test_token
from marketdata.services.imports import import_instruments, note_followed
from marketdata.services.intraday_requests import CandlesUnavailable, current_candles
from marketdata.services.missing_closes import fill_closes
from marketdata.services.price_requests import request_ltps, request_spots
from marketdata.services.sessions import load_market_calendar, make_holidays
