"""The target of an entry as traders read it in notices."""

from datetime import date


def describe_target(symbol: str, expiry: date | None) -> str:
    """Return "RELIANCE" or "RELIANCE 24 Feb"."""
    return f"{symbol} {expiry:%d %b}" if expiry else symbol
