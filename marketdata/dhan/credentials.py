"""Who we are to the broker."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Credentials:
    """A client id and an access token; the token is shown by nothing but itself."""

    client_id: str
    access_token: str

    def __repr__(self) -> str:
        return f"Credentials(client_id={self.client_id!r})"
