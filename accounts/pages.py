"""The pages of a trader's own account: preferences, API tokens, password. Each acts on the user of the request only."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import selectors, services
from accounts.domain.preferences import Theme
from accounts.forms import PreferencesForm, ThemeForm
from accounts.services import NewToken


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def settings(request: HttpRequest) -> HttpResponse:
    """Answer the settings page; a POST saves the preferences."""
    if request.method != "POST":
        form = PreferencesForm.of(selectors.get_preferences(user_id=user_id(request)))
        return _render_settings(request, form)
    form = PreferencesForm(request.POST)
    if not form.is_valid():
        return _render_settings(request, form, status=400)
    services.save_preferences(user_id=user_id(request), preferences=form.preferences())
    messages.success(request, "Saved. Open pages of the terminal have the new settings after a reload.")
    return redirect("settings")


@require_POST
@login_required
def save_theme(request: HttpRequest) -> HttpResponse:
    """Save the theme, for the button of the top bar; 204 without a body."""
    form = ThemeForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest("There is no such theme.", content_type="text/plain")
    services.save_theme(user_id=user_id(request), theme=Theme(form.cleaned_data["theme"]))
    return HttpResponse(status=204)


@require_POST
@never_cache
@login_required
def make_token(request: HttpRequest) -> HttpResponse:
    """Make an API token and show it once: a redirect would have to store its secret."""
    if not request.user.is_authenticated:
        raise AssertionError("login_required lets no anonymous request through")
    token = services.make_token(user=request.user, now=timezone.now())
    form = PreferencesForm.of(selectors.get_preferences(user_id=user_id(request)))
    return _render_settings(request, form, new_token=token)


@require_POST
@login_required
def revoke_token(request: HttpRequest) -> HttpResponse:
    """End one of the trader's own API tokens."""
    prefix = request.POST.get("prefix", "")
    if services.revoke_token(user_id=user_id(request), prefix=prefix):
        messages.success(request, f"The token {prefix}… is revoked. Programs that use it are refused from now on.")
    else:
        messages.info(request, "This token had ended already.")
    return redirect("settings")


@method_decorator(never_cache, name="dispatch")
class PasswordView(PasswordChangeView):
    """Change the own password. Django ends all other login sessions of the user, and with them their sockets."""

    template_name = "accounts/password.html"
    success_url = reverse_lazy("settings")

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        """Save the password and say what it ended."""
        response = super().form_valid(form)
        messages.success(self.request, "The password is changed, and all other browsers are logged out.")
        return response


def user_id(request: HttpRequest) -> int:
    """Return the id of the logged-in user."""
    if request.user.pk is None:
        raise AssertionError("login_required lets no anonymous request through")
    return request.user.pk


def _render_settings(
    request: HttpRequest, form: PreferencesForm, *, new_token: NewToken | None = None, status: int = 200
) -> HttpResponse:
    tokens = selectors.list_tokens(user_id=user_id(request), now=timezone.now())
    context = {"form": form, "tokens": tokens, "new_token": new_token}
    return render(request, "accounts/settings.html", context, status=status)
