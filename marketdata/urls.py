"""Addresses of the market under /api/v2/.

`option-chain/subscribe` is another app's and comes before these.
"""

from django.urls import path

from marketdata import views

urlpatterns = [
    path("option-chain/<str:symbol>", views.OptionChainView.as_view(), name="option-chain"),
    path("option-chain/<str:symbol>/expiries", views.OptionExpiriesView.as_view(), name="option-chain-expiries"),
    path("instruments/search", views.SearchView.as_view(), name="instrument-search"),
    path("instruments/<str:symbol>/expiries", views.ExpiriesView.as_view(), name="instrument-expiries"),
]
