"""Since when a connection is lost, and a recount of loads for repair.

`load` is still written by nobody but triggers and this function, which counts the rows again under the locks that
the triggers take.
"""

from django.db import migrations, models

RECOUNT = """
CREATE FUNCTION subscriptions_recount_loads() RETURNS TABLE (number smallint, was integer, load integer)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM feed_connections AS connection ORDER BY connection.number FOR NO KEY UPDATE;
    PERFORM set_config('subscriptions.recounting', 'yes', true);
    RETURN QUERY
    WITH counted AS (
        SELECT connection.number AS counted_number, connection.load AS old_load, (
            SELECT count(*)::integer FROM subscriptions
            WHERE connection_id = connection.number OR leaving_connection_id = connection.number
        ) AS new_load
        FROM feed_connections AS connection
    )
    UPDATE feed_connections AS connection SET load = new_load FROM counted
    WHERE connection.number = counted_number AND old_load <> new_load
    RETURNING connection.number::smallint, old_load, new_load;
    PERFORM set_config('subscriptions.recounting', '', true);
END $$;

DROP TRIGGER feed_connections_refuse_load ON feed_connections;
CREATE TRIGGER feed_connections_refuse_load BEFORE UPDATE ON feed_connections FOR EACH ROW
    WHEN (
        OLD.load IS DISTINCT FROM NEW.load AND pg_trigger_depth() = 0
        AND current_setting('subscriptions.recounting', true) IS DISTINCT FROM 'yes'
    )
    EXECUTE FUNCTION feed_connections_refuse_load();
"""

NO_RECOUNT = """
DROP TRIGGER feed_connections_refuse_load ON feed_connections;
CREATE TRIGGER feed_connections_refuse_load BEFORE UPDATE ON feed_connections FOR EACH ROW
    WHEN (OLD.load IS DISTINCT FROM NEW.load AND pg_trigger_depth() = 0)
    EXECUTE FUNCTION feed_connections_refuse_load();
DROP FUNCTION subscriptions_recount_loads();
"""


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0013_more_acts")]

    operations = [
        migrations.AddField(
            model_name="feedconnection",
            name="lost_since",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.RunSQL(sql=RECOUNT, reverse_sql=NO_RECOUNT),
    ]
