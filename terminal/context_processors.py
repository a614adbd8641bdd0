"""Values that every template may use."""

from django.http import HttpRequest

from terminal import __version__


def version(_request: HttpRequest) -> dict[str, str]:
    """Return the version; templates show it to staff only."""
    return {"terminal_version": __version__}
