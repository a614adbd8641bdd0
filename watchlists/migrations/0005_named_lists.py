"""The lists of each trader: a row for each name, also of a list without entries.

The foreign key has two columns, which Django cannot declare. It is checked at the end of the transaction: the deletion
of a user removes lists and entries in any order.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FILL = """
INSERT INTO named_lists (user_id, name)
SELECT user_id, list_name FROM watchlist GROUP BY user_id, list_name ORDER BY user_id, min(id)
"""
FOREIGN_KEY = """
ALTER TABLE watchlist ADD CONSTRAINT watchlist_on_a_named_list FOREIGN KEY (user_id, list_name)
    REFERENCES named_lists (user_id, name) ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED
"""


class Migration(migrations.Migration):
    dependencies = [
        ("watchlists", "0004_follow_contracts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="NamedList",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=40)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="named_lists",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "named_lists",
                "constraints": [
                    models.UniqueConstraint(fields=("user", "name"), name="named_list_once_per_user"),
                ],
            },
        ),
        migrations.RunSQL(sql=FILL, reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(
            sql=FOREIGN_KEY, reverse_sql="ALTER TABLE watchlist DROP CONSTRAINT watchlist_on_a_named_list"
        ),
    ]
