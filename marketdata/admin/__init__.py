"""Admin pages of marketdata: instruments and imports, access tokens, the market calendar."""

from marketdata.admin import broker_sessions, instruments, market_sessions
from marketdata.admin.read_only import ReadOnlyAdmin, format_moment, moment_column
