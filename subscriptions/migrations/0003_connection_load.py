"""`feed_connections.load` follows `subscriptions` by statement-level triggers, and by nothing else.

A subscription counts on its connection and, while it moves, on the one it leaves. A statement that would take
a connection over its capacity fails as a whole by the CHECK on `load`. Connections are locked in the order of
their numbers, so two statements cannot lock them crosswise. Writing `load` directly is refused: a stale row
saved whole would undo the count.
"""

from django.db import migrations

FOLLOW = """
CREATE FUNCTION subscriptions_shift_load(changes jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF changes IS NULL THEN
        RETURN;
    END IF;
    PERFORM 1 FROM feed_connections
        WHERE number IN (SELECT key::smallint FROM jsonb_each_text(changes)) ORDER BY number FOR NO KEY UPDATE;
    UPDATE feed_connections AS connection SET load = connection.load + change.value::integer
        FROM jsonb_each_text(changes) AS change WHERE connection.number = change.key::smallint;
END $$;

CREATE FUNCTION subscriptions_follow_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM subscriptions_shift_load((
        SELECT jsonb_object_agg(number, change) FROM (
            SELECT number, count(*) AS change FROM new_rows, unnest(ARRAY[connection_id, leaving_connection_id]) AS number
            WHERE number IS NOT NULL GROUP BY number
        ) AS changes
    ));
    RETURN NULL;
END $$;

CREATE FUNCTION subscriptions_follow_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM subscriptions_shift_load((
        SELECT jsonb_object_agg(number, change) FROM (
            SELECT number, -count(*) AS change FROM old_rows, unnest(ARRAY[connection_id, leaving_connection_id]) AS number
            WHERE number IS NOT NULL GROUP BY number
        ) AS changes
    ));
    RETURN NULL;
END $$;

CREATE FUNCTION subscriptions_follow_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM subscriptions_shift_load((
        SELECT jsonb_object_agg(number, change) FROM (
            SELECT number, sum(sign) AS change FROM (
                SELECT number, 1 AS sign FROM new_rows, unnest(ARRAY[connection_id, leaving_connection_id]) AS number
                UNION ALL
                SELECT number, -1 FROM old_rows, unnest(ARRAY[connection_id, leaving_connection_id]) AS number
            ) AS signed WHERE number IS NOT NULL GROUP BY number HAVING sum(sign) <> 0
        ) AS changes
    ));
    RETURN NULL;
END $$;

CREATE FUNCTION subscriptions_follow_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE feed_connections SET load = 0 WHERE load <> 0;
    RETURN NULL;
END $$;

CREATE FUNCTION feed_connections_refuse_load() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'feed_connections.load is kept by triggers on subscriptions and is not written directly'
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER subscriptions_follow_insert AFTER INSERT ON subscriptions
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_follow_insert();
CREATE TRIGGER subscriptions_follow_delete AFTER DELETE ON subscriptions
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_follow_delete();
CREATE TRIGGER subscriptions_follow_update AFTER UPDATE ON subscriptions
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_follow_update();
CREATE TRIGGER subscriptions_follow_truncate AFTER TRUNCATE ON subscriptions
    FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_follow_truncate();
CREATE TRIGGER feed_connections_refuse_load BEFORE UPDATE ON feed_connections FOR EACH ROW
    WHEN (OLD.load IS DISTINCT FROM NEW.load AND pg_trigger_depth() = 0)
    EXECUTE FUNCTION feed_connections_refuse_load();
"""

STOP_FOLLOWING = """
DROP TRIGGER feed_connections_refuse_load ON feed_connections;
DROP TRIGGER subscriptions_follow_truncate ON subscriptions;
DROP TRIGGER subscriptions_follow_update ON subscriptions;
DROP TRIGGER subscriptions_follow_delete ON subscriptions;
DROP TRIGGER subscriptions_follow_insert ON subscriptions;
DROP FUNCTION feed_connections_refuse_load();
DROP FUNCTION subscriptions_follow_truncate();
DROP FUNCTION subscriptions_follow_update();
DROP FUNCTION subscriptions_follow_delete();
DROP FUNCTION subscriptions_follow_insert();
DROP FUNCTION subscriptions_shift_load(jsonb);
"""


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0002_subscription_log")]

    operations = [migrations.RunSQL(sql=FOLLOW, reverse_sql=STOP_FOLLOWING)]
