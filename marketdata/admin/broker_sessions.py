"""Access tokens in the admin: the form for a new one, and the current and former ones.

The broker is asked about a token before it takes effect. A token is never shown again, only its last four characters
and its expiry.
"""

from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from marketdata import selectors, services
from marketdata.admin.read_only import ReadOnlyAdmin, format_moment, moment_column
from marketdata.dhan.credentials import Credentials
from marketdata.dhan.sealing import SealError
from marketdata.dhan.tokens import TokenMalformed
from marketdata.models import BrokerSession

# Attribute of the request of the token form: the result of the test.
_TEST: Final = "token_test"


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """The form for client id and access token. No page contains the token again, not even after an error."""

    access_token = forms.CharField(
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "size": 60}),
        help_text="The broker is asked about it first. Stored encrypted, never shown again, and used within seconds.",
    )
    store_untested = forms.BooleanField(
        required=False,
        label="Store it untested if the broker does not answer",
        help_text="For an outage of the broker's REST API. A token that the broker refuses is never stored.",
    )

    class Meta:
        model = BrokerSession
        fields = ["client_id"]

    def clean(self) -> dict[str, Any]:
        """Reject a malformed token, or one of another account, with the reason."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if "client_id" in given and "access_token" in given:
            try:
                services.check_token(
                    client_id=given["client_id"], access_token=given["access_token"], now=timezone.now()
                )
            # `from None`: the chained error would carry the token into error reports.
            except (TokenMalformed, SealError) as refusal:
                raise forms.ValidationError(str(refusal)) from None
        return given


@dataclass(frozen=True, slots=True)
class TokenTest:
    """Result of asking the broker about a token: why it must not be stored, or why it is stored without an answer."""

    objection: str = ""
    untested: str = ""


class TestedTokenForm(TokenForm):
    """The form when the broker was asked; the admin sets the result on the class that it makes for each request."""

    test: TokenTest | None = None

    def clean(self) -> dict[str, Any]:
        """Reject also a token that was not tested, or that the broker refused."""
        given = super().clean()
        if "client_id" in given and "access_token" in given:
            if self.test is None:
                raise forms.ValidationError("This access token was not tested.")
            if self.test.objection:
                raise forms.ValidationError(self.test.objection)
        return given


@admin.register(BrokerSession)
class BrokerSessionAdmin(ReadOnlyAdmin):
    """Current and former tokens, newest first, with the user who stored each; and the form for a new one."""

    form = TestedTokenForm
    list_display = ["client_id", "ending", "state", "expires", "method", "stored_moment", "stored_by"]
    stored_moment = moment_column("stored_at", "stored")
    list_display_links = ["client_id"]
    # An allow-list: the ciphertext of the token is in a field that is not named here.
    fields = ["client_id", "ending", "state", "expires", "method", "stored_moment", "stored_by"]
    ordering = ["-id"]
    actions = ["go_back"]

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return bool(request.user.has_perm("marketdata.add_brokersession"))

    def get_fields(
        self,
        request: HttpRequest,  # noqa: ARG002  The framework's signature.
        obj: BrokerSession | None = None,
    ) -> list[Any]:
        return ["client_id", "access_token", "store_untested"] if obj is None else list(self.fields)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002  The framework's signature.
        form: Any = super().get_form(request, obj, change, **kwargs)
        # The framework makes a new class for each request.
        form.test = getattr(request, _TEST, None)
        return form

    @method_decorator(sensitive_post_parameters("access_token"))
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Handle the form; error reports of Django hide the token."""
        # Here, because the framework opens a transaction for the rest, and no remote call happens inside one.
        if request.method == "POST" and self.has_add_permission(request):
            setattr(request, _TEST, self._test(request))
        return super().add_view(request, form_url, extra_context)

    def _test(self, request: HttpRequest) -> TokenTest | None:
        """Ask the broker about the token of the form; None for a form with errors, which the framework shows."""
        form = TokenForm(request.POST)
        if not form.is_valid():
            return None
        credentials = Credentials(form.cleaned_data["client_id"], form.cleaned_data["access_token"])
        try:
            services.test_token(credentials=credentials, entered_by=request.user.get_username(), now=timezone.now())
        except services.TokenRefused as refusal:
            return TokenTest(objection=f"{refusal} Nothing was changed.")
        except services.TokenUntested as reason:
            is_stored = form.cleaned_data["store_untested"]
            return TokenTest(untested=str(reason)) if is_stored else TokenTest(f"{reason} Nothing was changed.")
        return TokenTest()

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:  # noqa: FBT001, FBT002  The framework's signature.
        """Return the entry of the admin log; it names a token that was stored untested."""
        if add and form.test.untested:
            return f"Added untested. {form.test.untested}"
        return super().construct_change_message(request, form, formsets, add)

    @admin.action(permissions=["add"], description="Go back to the previous token, if the broker accepts it")
    def go_back(self, request: HttpRequest, chosen: QuerySet[BrokerSession]) -> None:
        """Make the previous token the current one; the admin log records the user and the time."""
        name, now = request.user.get_username(), timezone.now()
        try:
            previous = selectors.find_previous_login(now=now)
            if previous is None or list(chosen.values_list("pk", flat=True)) != [previous.row.pk]:
                only = "Choose one row: the previous token's, while it is stored and has not expired."
                self.message_user(request, only, messages.ERROR)
                return
            services.test_token(credentials=previous.credentials, entered_by=name, now=now)
            stored = services.restore_previous_token(previous=previous, restored_by=name, now=now)
        except (services.TokenRefused, services.TokenUntested, TokenMalformed, SealError) as refusal:
            self.message_user(request, f"{refusal} Nothing was changed.", messages.ERROR)
            return
        if stored is None:
            self.message_user(request, "Another token was entered meanwhile. Nothing was changed.", messages.ERROR)
            return
        self.log_addition(request, stored, f"Went back to the token of {previous.row.stored_by}.")
        self.message_user(request, f"The token that ends in {stored.last_four} is in force again.", messages.SUCCESS)

    def save_model(self, request: HttpRequest, obj: BrokerSession, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001  The framework's signature.
        """Store the token; Django's admin log records the user and the time."""
        stored = services.store_token(
            client_id=form.cleaned_data["client_id"],
            access_token=form.cleaned_data["access_token"],
            stored_by=request.user.get_username(),
            now=timezone.now(),
        )
        if form.test.untested:
            self.message_user(request, f"Stored untested. {form.test.untested}", messages.WARNING)
        # The service inserted the row; the admin needs its key for the log entry and the redirect.
        obj.pk, obj.last_four, obj.method, obj.stored_by = stored.pk, stored.last_four, stored.method, stored.stored_by

    @admin.display(description="token ends in")
    def ending(self, row: BrokerSession) -> str | None:
        """Return the last four characters of the token, all that any page shows."""
        return row.last_four or None

    @admin.display(description="expires", ordering="expires_at")
    def expires(self, row: BrokerSession) -> str | None:
        """Return the expiry of the token, or that it is unknown."""
        return format_moment(row.expires_at) or "unknown (opaque token)"

    @admin.display(description="state")
    def state(self, row: BrokerSession) -> str:
        """Return the problem of the current token as health reports it, else `in force`, `previous` or `replaced`."""
        now = timezone.now()
        if not row.is_current:
            is_usable = row.is_previous and (row.expires_at is None or row.expires_at > now)
            return "previous, still stored" if is_usable else "replaced"
        return selectors.get_access_token_status(now=now).problem or "in force"
