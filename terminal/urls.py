"""HTTP routes of all apps, put together."""

from django.contrib import admin
from django.urls import include, path

handler400 = "terminal.errors.bad_request"
handler403 = "terminal.errors.permission_denied"
handler404 = "terminal.errors.not_found"
handler500 = "terminal.errors.server_error"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v2/", include("accounts.urls")),
]
