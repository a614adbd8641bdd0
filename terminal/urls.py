"""HTTP routes of all apps."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from accounts import pages as account_pages
from terminal.api_root import ApiRootView
from terminal.health import health
from terminal.metrics import MetricsView
from terminal.readiness import ready
from terminal.status_page import status
from watchlists import pages

handler400 = "terminal.errors.bad_request"
handler403 = "terminal.errors.permission_denied"
handler404 = "terminal.errors.not_found"
handler500 = "terminal.errors.server_error"

urlpatterns = [
    path("", pages.terminal, name="terminal"),
    path("chain/<str:underlying>/<str:expiry>", pages.chain, name="chain"),
    path("instrument/<int:instrument_id>", pages.instrument, name="instrument"),
    path("scanner/", pages.scanner, name="scanner"),
    path(
        "login/", LoginView.as_view(template_name="accounts/login.html", redirect_authenticated_user=True), name="login"
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("settings", account_pages.settings, name="settings"),
    path("settings/theme", account_pages.save_theme, name="settings-theme"),
    path("settings/tokens", account_pages.make_token, name="settings-tokens"),
    path("settings/tokens/revoke", account_pages.revoke_token, name="settings-revoke-token"),
    path("settings/password", account_pages.PasswordView.as_view(), name="settings-password"),
    path("status", status, name="status"),
    path("admin/", admin.site.urls),
    path("api/v2/", ApiRootView.as_view(), name="api-root"),
    path("api/v2/", include("accounts.urls")),
    path("api/v2/", include("watchlists.urls")),
    path("api/v2/", include("subscriptions.urls")),
    path("api/v2/", include("marketdata.urls")),
    path("health", health, name="health"),
    path("ready", ready, name="ready"),
    path("metrics", MetricsView.as_view(), name="metrics"),
]
