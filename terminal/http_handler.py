"""Django's ASGI handler with middleware and view of a request in one thread.

Django's own runs each asynchronous middleware on the event loop and calls a thread for the part of it that may block.
With the seven of this product and a synchronous one among them, a request changes threads 18 times, and each change
waits for the interpreter lock (docs/decisions/0033-requests-in-one-thread.md). All views here are synchronous.
"""

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import close_old_connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class OneThreadHandler(ASGIHandler):
    """Answers HTTP requests."""

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  Django's signature.
        """Build the chain of middleware in its synchronous form."""
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response of the chain, which runs in the thread of this request."""
        return await sync_to_async(self._answer, thread_sensitive=True)(request)

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return self.get_response(request)
        finally:
            # Django returns the database connection after the response is sent: a client that reads slowly would keep
            # it, and the next request of this client would often need a second one.
            close_old_connections()
