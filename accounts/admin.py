"""Users in the admin: Django's own screens over our model.

Registered by `subscriptions.admin.users`, which releases the claims of a user before the deletion.
"""

from django.contrib.auth.admin import UserAdmin


class AccountAdmin(UserAdmin):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """Traders and operators, their rights, passwords and quotas."""

    fieldsets = (*(UserAdmin.fieldsets or ()), ("Live data", {"fields": ["instrument_quota"]}))
