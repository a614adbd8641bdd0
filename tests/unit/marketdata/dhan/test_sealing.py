"""Encryption of stored tokens: only the configured keys decrypt them, and no error quotes a token or a key."""

import pytest
from cryptography.fernet import Fernet

from marketdata.dhan.sealing import TokenKeysMissing, TokenUnreadable, check_keys, reseal, seal, unseal

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_a_sealed_token_is_opened_by_any_of_the_keys_and_does_not_contain_the_token() -> None:
    sealed = seal("a-very-secret-token", keys=[OLD])

    assert "secret" not in sealed
    assert unseal(sealed, keys=[NEW, OLD]) == "a-very-secret-token"


def test_after_resealing_the_old_key_can_be_removed() -> None:
    resealed = reseal(seal("token", keys=[OLD]), keys=[NEW, OLD])

    assert unseal(resealed, keys=[NEW]) == "token"
    with pytest.raises(TokenUnreadable):
        unseal(resealed, keys=[OLD])


def test_without_the_right_key_the_error_names_the_setting() -> None:
    sealed = seal("token", keys=[OLD])

    for open_again in (unseal, reseal):
        with pytest.raises(TokenUnreadable, match="TOKEN_KEYS"):
            open_again(sealed, keys=[NEW])
        with pytest.raises(TokenKeysMissing, match="TOKEN_KEYS is not set"):
            open_again(sealed, keys=[])
    with pytest.raises(TokenKeysMissing, match="TOKEN_KEYS is not set"):
        seal("token", keys=[])


def test_a_malformed_key_is_named_by_its_position_and_not_quoted() -> None:
    check_keys([])
    check_keys([OLD, NEW])

    with pytest.raises(ValueError, match="TOKEN_KEYS: key 2 is no Fernet key") as refusal:
        check_keys([OLD, "not-a-key"])

    assert "not-a-key" not in str(refusal.value)
