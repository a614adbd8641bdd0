"""Dropping months of the audit log that ended before a moment; never the current one or a later, whatever is asked.

A partition says its month in its name, as `subscription_log_make_month` gave it; anything named otherwise is left.
"""

from django.db import migrations

DROP_MONTHS = """
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


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0009_users_keep_their_claims")]

    operations = [
        migrations.RunSQL(sql=DROP_MONTHS, reverse_sql="DROP FUNCTION subscription_log_drop_months(timestamptz);")
    ]
