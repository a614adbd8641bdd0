"""Addresses of logging in and out through the API."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("auth/token", views.TokenView.as_view(), name="auth-token"),
    path("auth/logout", views.LogoutView.as_view(), name="auth-logout"),
]
