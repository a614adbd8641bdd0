"""Authentication by API token."""

from django.utils import timezone
from knox import auth
from knox.models import AuthToken


class TokenAuthentication(auth.TokenAuthentication):  # type: ignore[misc]  # knox ships no types.
    """Knox's, in one query. A user's other tokens that have expired are deleted where a new one is made."""

    def _cleanup_token(self, auth_token: AuthToken) -> bool:
        """Delete the token if it has expired; return whether it has. Knox looks for the user's others, too."""
        if auth_token.expiry is None or auth_token.expiry >= timezone.now():
            return False
        auth_token.delete()
        return True
