"""Routes of subscriptions under /api/v2/."""

from django.urls import path

from subscriptions import views

urlpatterns = [
    path("admin/ws-status", views.WsStatusView.as_view(), name="ws-status"),
    path("admin/rebalance-ws", views.RebalanceView.as_view(), name="rebalance-ws"),
    path("option-chain/subscribe", views.ChainSubscribeView.as_view(), name="option-chain-subscribe"),
    path("option-chain/<str:symbol>", views.OptionChainView.as_view(), name="option-chain"),
    path("subscriptions/status", views.StatusView.as_view(), name="subscription-status"),
    path("subscriptions/active", views.ActiveView.as_view(), name="subscriptions-active"),
    path("subscriptions/quota", views.QuotaView.as_view(), name="subscriptions-quota"),
    path("subscriptions/<str:token>", views.SubscriptionView.as_view(), name="subscription"),
]
