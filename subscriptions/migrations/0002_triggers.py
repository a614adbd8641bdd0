"""Rules that the database enforces by triggers: the audit log, the load of connections, references by statement.

Audit log. `subscription_log` is append-only; a purge drops whole monthly partitions, which no trigger forbids. A month
is a month in IST, as staff read it. `subscription_log_make_month(at)` makes the partition of `at` if it does not exist;
every writer calls it first, so that a missing partition never refuses a write. `subscription_log_drop_months` drops
partitions by the month in their name, never the current one or a later one.

Load. Statement-level triggers on `subscriptions` maintain `feed_connections.load`. A subscription counts on its
connection and, while it moves, on the one it leaves. A statement that would take a connection over its capacity fails
as a whole by the CHECK on `load`. The triggers lock connections in the order of their numbers, so that two statements
cannot deadlock on them. A direct write of `load` is refused, because a stale row saved whole would undo the count;
`subscriptions_recount_loads` is the one exception and takes the same locks.

References. Foreign keys of legs and subscriptions were half of the time of a transaction with thousands of legs
(benchmarks/bench_day.py), so triggers check them once per statement: a leg has its claim and its subscription, a
subscription its instrument and its connection; a held subscription, a subscribed instrument and a connection in use
cannot be deleted; a deleted claim takes its legs with it, and so does a truncated table. Each trigger takes the
placement lock, so that no other transaction can slip in between its check and its commit; a transaction that owns the
lock takes it again at no cost.
"""

from django.db import migrations

APPEND_ONLY = """
CREATE FUNCTION subscription_log_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'subscription_log is append-only: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'Old months are purged by dropping their partitions.';
END $$;
CREATE TRIGGER subscription_log_refuses_change BEFORE UPDATE OR DELETE ON subscription_log
    FOR EACH ROW EXECUTE FUNCTION subscription_log_refuse();
CREATE TRIGGER subscription_log_refuses_truncate BEFORE TRUNCATE ON subscription_log
    FOR EACH STATEMENT EXECUTE FUNCTION subscription_log_refuse();
"""

# Two callers may find the month missing at the same moment: the lock makes the second see the partition of the first.
LOG_MONTHS = """
CREATE FUNCTION subscription_log_make_month(moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    first date := date_trunc('month', moment AT TIME ZONE 'Asia/Kolkata')::date;
    partition text := 'subscription_log_' || to_char(first, 'YYYY_MM');
BEGIN
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('subscription_log_make_month', 0));
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format(
        'CREATE TABLE %I PARTITION OF subscription_log FOR VALUES FROM (%L) TO (%L)',
        partition,
        first::timestamp AT TIME ZONE 'Asia/Kolkata',
        (first + interval '1 month')::timestamp AT TIME ZONE 'Asia/Kolkata'
    );
END $$;
SELECT subscription_log_make_month(
    (date_trunc('month', now() AT TIME ZONE 'Asia/Kolkata') + make_interval(months => n)) AT TIME ZONE 'Asia/Kolkata'
) FROM generate_series(0, 3) AS n;

CREATE FUNCTION subscription_log_drop_months(keep_from timestamptz) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    month record;
    this_month date := date_trunc('month', now() AT TIME ZONE 'Asia/Kolkata')::date;
    keep_month date := least(date_trunc('month', keep_from AT TIME ZONE 'Asia/Kolkata')::date, this_month);
BEGIN
    FOR month IN
        SELECT child.relname FROM pg_inherits
        JOIN pg_class AS child ON child.oid = inhrelid
        WHERE inhparent = 'subscription_log'::regclass
            AND child.relname ~ '^subscription_log_[0-9]{4}_[0-9]{2}$'
            AND to_date(right(child.relname, 7), 'YYYY_MM') < keep_month
        ORDER BY child.relname
    LOOP
        EXECUTE format('DROP TABLE %I', month.relname);
        RETURN NEXT month.relname::text;
    END LOOP;
END $$;
"""

LOAD = """
-- A subscription on a connection without a row has no load to shift and is refused like a broken foreign key.
CREATE FUNCTION subscriptions_shift_load(changes jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    shifted integer;
BEGIN
    IF changes IS NULL THEN
        RETURN;
    END IF;
    PERFORM 1 FROM feed_connections
        WHERE number IN (SELECT key::smallint FROM jsonb_each_text(changes)) ORDER BY number FOR NO KEY UPDATE;
    UPDATE feed_connections AS connection SET load = connection.load + change.value::integer
        FROM jsonb_each_text(changes) AS change WHERE connection.number = change.key::smallint;
    GET DIAGNOSTICS shifted = ROW_COUNT;
    IF shifted <> (SELECT count(*) FROM jsonb_each_text(changes)) THEN
        RAISE EXCEPTION 'a subscription refers to connection_id out of %, which are not all there', changes
            USING ERRCODE = 'foreign_key_violation';
    END IF;
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
    WHEN (
        OLD.load IS DISTINCT FROM NEW.load AND pg_trigger_depth() = 0
        AND current_setting('subscriptions.recounting', true) IS DISTINCT FROM 'yes'
    )
    EXECUTE FUNCTION feed_connections_refuse_load();

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
"""

# The checks look up a few rows by key. PostgreSQL keeps their plans for a session; without `enable_seqscan = off` a
# plan made while the tables were almost empty would scan them whole for every row.
REFERENCES = """
CREATE FUNCTION claim_legs_check() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    orphan record;
BEGIN
    PERFORM pg_advisory_xact_lock(7265001);
    SELECT leg.claim_id, leg.subscription_id INTO orphan FROM new_rows AS leg
    WHERE NOT EXISTS (SELECT FROM claims WHERE id = leg.claim_id OFFSET 0)
        OR NOT EXISTS (SELECT FROM subscriptions WHERE id = leg.subscription_id OFFSET 0)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a leg refers to claim % and subscription %, which are not both there',
            orphan.claim_id, orphan.subscription_id USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION claims_take_legs() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7265001);
    DELETE FROM claim_legs USING old_rows WHERE claim_legs.claim_id = old_rows.id;
    RETURN NULL;
END $$;

CREATE FUNCTION subscriptions_check() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    orphan bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7265001);
    SELECT instrument_id INTO orphan FROM new_rows AS subscription
    WHERE NOT EXISTS (SELECT FROM instruments WHERE id = subscription.instrument_id OFFSET 0) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a subscription refers to instrument_id %, which is not there', orphan
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION subscriptions_refuse_held() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    held bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7265001);
    SELECT id INTO held FROM old_rows AS subscription
    WHERE EXISTS (SELECT FROM claim_legs WHERE subscription_id = subscription.id OFFSET 0) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'subscription % is held by a claim', held USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION instruments_refuse_subscribed() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    subscribed bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7265001);
    SELECT id INTO subscribed FROM old_rows AS instrument
    WHERE EXISTS (SELECT FROM subscriptions WHERE instrument_id = instrument.id OFFSET 0) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'instrument % is subscribed', subscribed USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION feed_connections_refuse_used() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'connection % carries % subscriptions', OLD.number, OLD.load
        USING ERRCODE = 'foreign_key_violation';
END $$;

CREATE FUNCTION claim_legs_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM claim_legs;
    RETURN NULL;
END $$;

CREATE FUNCTION instruments_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM subscriptions) THEN
        RAISE EXCEPTION 'instruments are subscribed' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER claim_legs_check_new AFTER INSERT ON claim_legs
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION claim_legs_check();
CREATE TRIGGER claim_legs_check_changed AFTER UPDATE ON claim_legs
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION claim_legs_check();
CREATE TRIGGER claims_take_legs AFTER DELETE ON claims
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION claims_take_legs();
CREATE TRIGGER subscriptions_check_new AFTER INSERT ON subscriptions
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_check();
CREATE TRIGGER subscriptions_refuse_held AFTER DELETE ON subscriptions
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_refuse_held();
CREATE TRIGGER instruments_refuse_subscribed AFTER DELETE ON instruments
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION instruments_refuse_subscribed();
CREATE TRIGGER claims_truncate_legs AFTER TRUNCATE ON claims
    FOR EACH STATEMENT EXECUTE FUNCTION claim_legs_go();
CREATE TRIGGER subscriptions_truncate_legs AFTER TRUNCATE ON subscriptions
    FOR EACH STATEMENT EXECUTE FUNCTION claim_legs_go();
CREATE TRIGGER instruments_refuse_truncate AFTER TRUNCATE ON instruments
    FOR EACH STATEMENT EXECUTE FUNCTION instruments_refuse_truncate();
CREATE TRIGGER feed_connections_refuse_used BEFORE DELETE ON feed_connections FOR EACH ROW
    WHEN (OLD.load > 0) EXECUTE FUNCTION feed_connections_refuse_used();
"""

DROP_REFERENCES = """
DROP TRIGGER feed_connections_refuse_used ON feed_connections;
DROP TRIGGER instruments_refuse_truncate ON instruments;
DROP TRIGGER subscriptions_truncate_legs ON subscriptions;
DROP TRIGGER claims_truncate_legs ON claims;
DROP TRIGGER instruments_refuse_subscribed ON instruments;
DROP TRIGGER subscriptions_refuse_held ON subscriptions;
DROP TRIGGER subscriptions_check_new ON subscriptions;
DROP TRIGGER claims_take_legs ON claims;
DROP TRIGGER claim_legs_check_changed ON claim_legs;
DROP TRIGGER claim_legs_check_new ON claim_legs;
DROP FUNCTION feed_connections_refuse_used();
DROP FUNCTION instruments_refuse_truncate();
DROP FUNCTION claim_legs_go();
DROP FUNCTION instruments_refuse_subscribed();
DROP FUNCTION subscriptions_refuse_held();
DROP FUNCTION subscriptions_check();
DROP FUNCTION claims_take_legs();
DROP FUNCTION claim_legs_check();
"""

DROP_LOAD = """
DROP FUNCTION subscriptions_recount_loads();
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

DROP_LOG_RULES = """
DROP FUNCTION subscription_log_drop_months(timestamptz);
DROP FUNCTION subscription_log_make_month(timestamptz);
DROP TRIGGER subscription_log_refuses_truncate ON subscription_log;
DROP TRIGGER subscription_log_refuses_change ON subscription_log;
DROP FUNCTION subscription_log_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0001_tables")]

    operations = [
        migrations.RunSQL(sql=APPEND_ONLY + LOG_MONTHS, reverse_sql=DROP_LOG_RULES),
        migrations.RunSQL(sql=LOAD, reverse_sql=DROP_LOAD),
        migrations.RunSQL(sql=REFERENCES, reverse_sql=DROP_REFERENCES),
    ]
