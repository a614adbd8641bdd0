"""Values that every template may use."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts import selectors as accounts
from accounts.domain.preferences import Preferences
from terminal import __version__


def version(_request: HttpRequest) -> dict[str, str]:
    """Return the version; templates show it to staff only."""
    return {"terminal_version": __version__}


def preferences(request: HttpRequest) -> dict[str, object]:
    """Return the preferences of the user, read when a template asks for them; None for an anonymous request."""

    def read() -> Preferences | None:
        pk = request.user.pk
        return None if pk is None else accounts.get_preferences(user_id=pk)

    return {"preferences": SimpleLazyObject(read)}
