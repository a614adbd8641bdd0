"""What legs and subscriptions refer to is checked once per statement, by triggers, instead of once per row.

Foreign keys were half of the time of an act with thousands of legs (benchmarks/bench_day.py). The triggers hold what
they held: a leg has its claim and its subscription, a subscription its instrument and its connection; a held
subscription, a subscribed instrument and a connection in use cannot be deleted; a deleted claim takes its legs with it,
and so does a table that is truncated.
Each takes the placement lock, so that no two transactions can pass each other between the check and the commit; who
holds it already takes it again at no cost.
"""

import django.db.models.deletion
from django.db import migrations, models

# Checks look up a few rows by key. Their plans are kept for as long as a session lives, and one made while the tables
# were almost empty would read them whole for every row.
TRIGGERS = """
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

REMOVE_TRIGGERS = """
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

# A subscription on a connection that is not there has no load to shift.
SHIFT_LOAD = """
CREATE OR REPLACE FUNCTION subscriptions_shift_load(changes jsonb) RETURNS void LANGUAGE plpgsql AS $$
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
"""

SHIFT_LOAD_UNCHECKED = """
CREATE OR REPLACE FUNCTION subscriptions_shift_load(changes jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF changes IS NULL THEN
        RETURN;
    END IF;
    PERFORM 1 FROM feed_connections
        WHERE number IN (SELECT key::smallint FROM jsonb_each_text(changes)) ORDER BY number FOR NO KEY UPDATE;
    UPDATE feed_connections AS connection SET load = connection.load + change.value::integer
        FROM jsonb_each_text(changes) AS change WHERE connection.number = change.key::smallint;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0016_repair_act")]

    operations = [
        migrations.AlterField(
            model_name="subscription",
            name="instrument",
            field=models.OneToOneField(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="subscription",
                to="marketdata.instrument",
            ),
        ),
        migrations.AlterField(
            model_name="subscription",
            name="connection",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="subscriptions",
                to="subscriptions.feedconnection",
            ),
        ),
        migrations.AlterField(
            model_name="subscription",
            name="leaving_connection",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="leaving_subscriptions",
                to="subscriptions.feedconnection",
            ),
        ),
        migrations.AlterField(
            model_name="claim",
            name="spot",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="chains",
                to="subscriptions.claim",
            ),
        ),
        migrations.AlterField(
            model_name="claimleg",
            name="claim",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="legs",
                to="subscriptions.claim",
            ),
        ),
        migrations.AlterField(
            model_name="claimleg",
            name="subscription",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="legs",
                to="subscriptions.subscription",
            ),
        ),
        migrations.RunSQL(sql=TRIGGERS, reverse_sql=REMOVE_TRIGGERS),
        migrations.RunSQL(sql=SHIFT_LOAD, reverse_sql=SHIFT_LOAD_UNCHECKED),
    ]
