"""An entry loses its claim in the statement that deletes the claim.

Django's `on_delete` runs in Python; this rule holds for every deletion, whatever program makes it.
"""

from django.db import migrations

FOREIGN_KEY = """
ALTER TABLE watchlist DROP CONSTRAINT watchlist_claim_id_0d58d027_fk_claims_id;
ALTER TABLE watchlist ADD CONSTRAINT watchlist_claim_id_0d58d027_fk_claims_id
    FOREIGN KEY (claim_id) REFERENCES claims (id) {action} DEFERRABLE INITIALLY DEFERRED;
"""


class Migration(migrations.Migration):
    # Claims are deleted by statements whose triggers come with the second migration of subscriptions.
    dependencies = [("watchlists", "0001_schema"), ("subscriptions", "0002_triggers")]

    operations = [
        migrations.RunSQL(
            sql=FOREIGN_KEY.format(action="ON DELETE SET NULL"), reverse_sql=FOREIGN_KEY.format(action="")
        ),
    ]
