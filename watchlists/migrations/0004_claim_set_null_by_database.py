"""An entry loses its claim in the statement that deletes the claim."""

from django.db import migrations, models

FOREIGN_KEY = """
ALTER TABLE watchlist DROP CONSTRAINT watchlist_claim_id_0d58d027_fk_claims_id;
ALTER TABLE watchlist ADD CONSTRAINT watchlist_claim_id_0d58d027_fk_claims_id
    FOREIGN KEY (claim_id) REFERENCES claims (id) {action} DEFERRABLE INITIALLY DEFERRED;
"""


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0017_integrity_by_statement"), ("watchlists", "0003_schedule_repeats")]

    operations = [
        migrations.AlterField(
            model_name="watchlistentry",
            name="claim",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=models.DO_NOTHING,
                related_name="watchlist_entry",
                to="subscriptions.claim",
            ),
        ),
        migrations.RunSQL(
            sql=FOREIGN_KEY.format(action="ON DELETE SET NULL"), reverse_sql=FOREIGN_KEY.format(action="")
        ),
    ]
