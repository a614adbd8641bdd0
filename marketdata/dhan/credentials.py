"""The account at the broker."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Credentials:
    """A client id and an access token. `repr` leaves the token out, so that no log contains it."""

    client_id: str
    access_token: str

    def __repr__(self) -> str:
        return f"Credentials(client_id={self.client_id!r})"
