"""JSON of the API, both directions, through orjson.

Decimals become numbers: a double represents rupees with four decimals exactly enough. NaN and infinity become null,
dates become ISO text. A body has a maximum size, and must be strict JSON: no NaN, no unlimited nesting.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any, Final

import orjson
from django.utils.functional import Promise
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

MAX_BODY_BYTES: Final = 1_000_000  # Chosen: the largest valid body, an import of a watchlist, is below 10 kB.


def encode_json(value: Any, *, indented: bool = False) -> bytes:
    """Return `value` as UTF-8 JSON. Raises TypeError for a type without a JSON form."""
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z
    return orjson.dumps(value, default=_plain, option=options | orjson.OPT_INDENT_2 if indented else options)


class JsonRenderer(BaseRenderer):
    """Renders API responses; indented in the browsable API."""

    media_type = "application/json"
    format = "json"
    charset = None  # JSON is UTF-8 by definition.

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,  # noqa: ARG002  The framework's signature.
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the body; empty for None."""
        if data is None:
            return b""
        return encode_json(data, indented=bool((renderer_context or {}).get("indent")))


class JsonParser(BaseParser):
    """Parses API bodies. Raises ParseError."""

    media_type = "application/json"
    # The browsable API fills its form with an example of the body.
    renderer_class = JsonRenderer

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002  The framework's signature.
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        """Return the value in the body."""
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise ParseError(f"The body is longer than {MAX_BODY_BYTES} bytes.")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"The body is not JSON: {error}") from None


def _plain(value: Any) -> float | str:
    match value:
        case Decimal():
            return float(value)
        case Promise():
            return str(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form")
