"""URLs of the watchlist API."""

from django.urls import path

from watchlists import views

urlpatterns = [
    path("admin/unsubscribe-all-tier-a", views.UnsubscribeTierAView.as_view(), name="unsubscribe-all-tier-a"),
    path("admin/clear-watchlists", views.ClearWatchlistsView.as_view(), name="clear-watchlists"),
    path("watchlist/add", views.AddView.as_view(), name="watchlist-add"),
    path("watchlist/remove", views.RemoveView.as_view(), name="watchlist-remove"),
    path("watchlist/keep", views.KeepView.as_view(), name="watchlist-keep"),
    path("watchlist/move", views.MoveView.as_view(), name="watchlist-move"),
    path("watchlist/lists", views.ListsView.as_view(), name="watchlist-lists"),
    path("watchlist/lists/rename", views.RenameListView.as_view(), name="watchlist-lists-rename"),
    path("watchlist/lists/delete", views.DeleteListView.as_view(), name="watchlist-lists-delete"),
    path("watchlist/<str:user_id>", views.WatchlistView.as_view(), name="watchlist"),
]
