"""The test of an access token that staff enter or go back to: the broker states its profile before it takes effect.

The request is made outside of every transaction: callers test first and store afterwards. Nothing here changes a row.
"""

import logging
from datetime import datetime

from marketdata import dhan_api
from marketdata.dhan.credentials import Credentials
from marketdata.dhan.profiles import find_objection
from marketdata.dhan_api import DhanError, LoginRefused
from marketdata.services.access_token import check_token

logger = logging.getLogger(__name__)


class TokenRefused(Exception):
    """The broker does not accept the token for this account; the text is a sentence without any part of it."""


class TokenUntested(Exception):
    """The broker gave no usable answer about the token; the text is a sentence without any part of it."""


def test_token(*, credentials: Credentials, entered_by: str, now: datetime) -> None:
    """Return if the broker accepts `credentials`.

    Raises TokenRefused or TokenUntested; TokenMalformed or TokenKeysMissing, without a request, as `check_token`.
    """
    check_token(client_id=credentials.client_id, access_token=credentials.access_token, now=now)
    try:
        profile = dhan_api.fetch_profile(credentials)
    except LoginRefused as refusal:
        # The broker's message is in the error; `dhan_api` has removed the token from it.
        logger.warning("access token entered by %s refused: %s", entered_by, refusal)
        raise TokenRefused(f"The broker refuses this access token: {refusal}.") from None
    except DhanError as error:
        logger.warning("access token entered by %s not tested: %s", entered_by, error)
        raise TokenUntested(f"The broker did not test this access token ({error}).") from None
    if objection := find_objection(profile, client_id=credentials.client_id, now=now):
        logger.warning("access token entered by %s refused: %s", entered_by, objection)
        raise TokenRefused(objection)
