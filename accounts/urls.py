"""Addresses of logging in and out through the API, and of the layouts of the chain."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("auth/token", views.TokenView.as_view(), name="auth-token"),
    path("auth/logout", views.LogoutView.as_view(), name="auth-logout"),
    path("layouts", views.LayoutsView.as_view(), name="layouts"),
    path("layouts/change", views.ChangeLayoutView.as_view(), name="layouts-change"),
    path("layouts/rename", views.RenameLayoutView.as_view(), name="layouts-rename"),
    path("layouts/delete", views.DeleteLayoutView.as_view(), name="layouts-delete"),
]
