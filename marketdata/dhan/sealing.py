"""Encryption of stored access tokens: the first key encrypts, all keys decrypt (MultiFernet).

To rotate keys: put the new key first, encrypt all tokens again (`reseal`), then remove the old key.
"""

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class SealError(Exception):
    """A token cannot be stored or read; the text is a sentence that names the setting."""


class TokenKeysMissing(SealError):
    """No key is set: no token can be encrypted or decrypted."""

    def __init__(self) -> None:
        super().__init__("TOKEN_KEYS is not set: without a key no access token can be stored, renewed or generated.")


class TokenUnreadable(SealError):
    """A stored token was encrypted with a key that is not in TOKEN_KEYS."""

    def __init__(self) -> None:
        super().__init__(
            "The stored access token cannot be decrypted: TOKEN_KEYS lacks the key it was encrypted with. "
            "Add that key to TOKEN_KEYS again, or enter a new access token in the admin."
        )


def check_keys(keys: Sequence[str]) -> None:
    """Raise ValueError for a key that is not a Fernet key; the text does not contain the key."""
    for position, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError:
            raise ValueError(
                f"TOKEN_KEYS: key {position} is no Fernet key; make one with: python3 -c "
                "'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'"
            ) from None


def seal(access_token: str, *, keys: Sequence[str]) -> str:
    """Return the encrypted token. Raises TokenKeysMissing."""
    return _box(keys).encrypt(access_token.encode()).decode()


def unseal(sealed: str, *, keys: Sequence[str]) -> str:
    """Return the decrypted token. Raises TokenKeysMissing and TokenUnreadable."""
    try:
        return _box(keys).decrypt(sealed).decode()
    except InvalidToken:
        raise TokenUnreadable from None


def reseal(sealed: str, *, keys: Sequence[str]) -> str:
    """Return the token encrypted with the first key. Raises TokenKeysMissing and TokenUnreadable."""
    try:
        # `rotate` decrypts with whichever key fits and encrypts with the first.
        return _box(keys).rotate(sealed).decode()
    except InvalidToken:
        raise TokenUnreadable from None


def _box(keys: Sequence[str]) -> MultiFernet:
    # MultiFernet would refuse an empty list with a text that does not name the setting.
    if not keys:
        raise TokenKeysMissing
    return MultiFernet([Fernet(key) for key in keys])
