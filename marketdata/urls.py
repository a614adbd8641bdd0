"""Addresses of the market under /api/v2/.

`option-chain/<symbol>` is another app's: reading a chain is a view of a claim.
"""

from django.urls import path

from marketdata import views

urlpatterns = [
    path("option-chain/<str:symbol>/expiries", views.OptionExpiriesView.as_view(), name="option-chain-expiries"),
    path("instruments/search", views.SearchView.as_view(), name="instrument-search"),
    path("instruments/<str:symbol>/intraday", views.IntradayView.as_view(), name="instrument-intraday"),
    path("instruments/<str:symbol>/straddle", views.StraddleView.as_view(), name="instrument-straddle"),
    path("instruments/<str:symbol>/expiries", views.ExpiriesView.as_view(), name="instrument-expiries"),
]
