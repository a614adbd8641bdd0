"""The SQL statements of the instrument import, in their order of execution.

Rows are staged as read, then resolved against the stored instruments (id and token of each, underlying of each
derivative). One upsert then writes the new and changed rows only. All statements are set-based; the temporary tables
end with the transaction.
"""

from typing import Final

# Two imports in one transaction, as in tests: the second finds the tables of the first.
CLEAR: Final = "DROP TABLE IF EXISTS pg_temp.staged, pg_temp.past, pg_temp.continued, pg_temp.resolved, pg_temp.links"

STAGE: Final = """
CREATE TEMP TABLE staged (
    exchange_segment smallint, security_id bigint, exchange text, instrument_type text, underlying_symbol text,
    token text, display_name text, isin text, series text, security_type text, expiry date, strike numeric(12,4),
    option_type text, lot_size integer, tick_size numeric(10,4), upper_limit numeric(14,4),
    lower_limit numeric(14,4), freeze_quantity integer
) ON COMMIT DROP
"""

COPY: Final = "COPY staged FROM STDIN"

DUPLICATES: Final = """
SELECT exchange_segment, security_id, count(*) FROM staged
GROUP BY exchange_segment, security_id HAVING count(*) > 1 ORDER BY 1, 2 LIMIT 3
"""

# Order of several cash rows with one symbol: the index, the share in its main series, any other share.
_CASH_ORDER: Final = """
    s.instrument_type = 'INDEX' DESC, coalesce(array_position(ARRAY['EQ', 'BE', 'BZ'], s.series), 9),
    s.security_type = 'ES' DESC, s.security_id
"""

# The listed rows whose key has other terms in the file. `domain.succession` decides which of them continue under the
# new terms; the columns are those of `selectors.succession.read_pair`. Expired contracts are left out: their ids are
# free.
CHANGED_TERMS: Final = """
WITH pairs AS MATERIALIZED (
    SELECT i.id, i.exchange_segment AS segment, i.security_id, i.instrument_type AS type, i.underlying_symbol AS symbol,
        i.token, i.isin, i.expiry, i.strike, i.option_type, s.underlying_symbol AS symbol_now, s.token AS token_now,
        s.isin AS isin_now, s.expiry AS expiry_now, s.strike AS strike_now, s.option_type AS option_type_now
    FROM staged s JOIN instruments i USING (exchange_segment, security_id)
    WHERE i.is_listed AND i.instrument_type = s.instrument_type AND (i.expiry IS NULL OR i.expiry >= %(as_of)s)
      AND (i.underlying_symbol, i.expiry, i.strike, i.option_type)
          IS DISTINCT FROM (s.underlying_symbol, s.expiry, s.strike, s.option_type)
), symbols AS MATERIALIZED (
    SELECT DISTINCT exchange_segment, underlying_symbol FROM staged
), listed AS MATERIALIZED (
    SELECT DISTINCT exchange_segment, underlying_symbol FROM instruments WHERE is_listed
)
SELECT p.id, p.segment, p.type, p.security_id, p.symbol, p.token, p.isin, p.expiry, p.strike, p.option_type,
    p.id, p.security_id, p.symbol_now, p.token_now, p.isin_now, p.expiry_now, p.strike_now, p.option_type_now,
    contract.security_id IS NULL, symbols.underlying_symbol IS NULL, listed.underlying_symbol IS NULL
FROM pairs p
LEFT JOIN staged contract ON contract.exchange_segment = p.segment AND contract.instrument_type = p.type
    AND contract.underlying_symbol = p.symbol AND contract.expiry = p.expiry AND contract.option_type = p.option_type
    AND contract.strike IS NOT DISTINCT FROM p.strike
LEFT JOIN symbols ON symbols.exchange_segment = p.segment AND symbols.underlying_symbol = p.symbol
LEFT JOIN listed ON listed.exchange_segment = p.segment AND listed.underlying_symbol = p.symbol_now
"""

CONTINUE: Final = "CREATE TEMP TABLE continued ON COMMIT DROP AS SELECT unnest(%s::bigint[]) AS id"

# A contract that continues under other terms leaves a row with its former terms, which is not listed: whatever refers
# to the former series finds the present one through it.
KEEP_FORMER_TERMS: Final = """
INSERT INTO instruments (
    exchange_segment, security_id, exchange, instrument_type, underlying_symbol, token, display_name, isin, series,
    expiry, strike, option_type, lot_size, tick_size, upper_limit, lower_limit, freeze_quantity, underlying_id,
    is_listed, first_seen_at, last_changed_at
)
SELECT exchange_segment, security_id, exchange, instrument_type, underlying_symbol, token, display_name, isin, series,
    expiry, strike, option_type, lot_size, tick_size, upper_limit, lower_limit, freeze_quantity, underlying_id,
    false, first_seen_at, %(now)s
FROM instruments JOIN continued USING (id) WHERE expiry IS NOT NULL
"""

# A row stays the same if its key and terms stay, or if it continues under other terms. Exchanges reuse ids, so the key
# alone is not enough, and the terms of a contract include its underlying. An ISIN proves a renamed share. Of a key's
# former rows the listed one is first.
RESOLVE: Final = f"""
CREATE TEMP TABLE resolved ON COMMIT DROP AS
WITH known AS (
    SELECT DISTINCT ON (s.exchange_segment, s.security_id) s.exchange_segment, s.security_id, i.id, i.isin
    FROM staged s JOIN instruments i USING (exchange_segment, security_id) LEFT JOIN continued c ON c.id = i.id
    WHERE i.instrument_type = s.instrument_type
      AND (c.id IS NOT NULL OR CASE WHEN s.expiry IS NULL
          THEN i.underlying_symbol = s.underlying_symbol OR (s.isin <> '' AND i.isin = s.isin)
          ELSE i.underlying_symbol = s.underlying_symbol AND i.expiry = s.expiry AND i.option_type = s.option_type
              AND i.strike IS NOT DISTINCT FROM s.strike END)
    ORDER BY s.exchange_segment, s.security_id, i.is_listed DESC, i.id DESC
), cash AS (
    SELECT s.exchange_segment, s.security_id,
           row_number() OVER (PARTITION BY s.exchange, s.underlying_symbol ORDER BY {_CASH_ORDER}) AS place,
           row_number() OVER (PARTITION BY s.exchange, s.underlying_symbol, s.series ORDER BY {_CASH_ORDER}) AS twin
    FROM staged s WHERE s.expiry IS NULL
)
SELECT coalesce(k.id, nextval(pg_get_serial_sequence('instruments', 'id'))) AS id,
       k.id IS NULL AS is_new, c.place,
       s.exchange_segment, s.security_id, s.exchange, s.instrument_type, s.underlying_symbol,
       CASE WHEN c.place > 1 THEN concat_ws(
           '-', s.token, nullif(s.series, ''), CASE WHEN c.twin > 1 OR s.series = '' THEN s.security_id END
       ) ELSE s.token END AS token,
       s.display_name, coalesce(nullif(s.isin, ''), k.isin, '') AS isin, s.series, s.expiry, s.strike, s.option_type,
       s.lot_size, s.tick_size, s.upper_limit, s.lower_limit, s.freeze_quantity
FROM staged s
LEFT JOIN known k USING (exchange_segment, security_id)
LEFT JOIN cash c USING (exchange_segment, security_id)
"""  # noqa: S608  Built from constants of this module.

# The underlying of derivatives, once per symbol and expiry: the index by symbol, the share of the same exchange, and
# for an MCX option the next future that expires on or after it. Segments: 2 NSE_FNO, 8 BSE_FNO, 5 MCX_COMM.
LINK: Final = """
CREATE TEMP TABLE links ON COMMIT DROP AS
WITH contracts AS MATERIALIZED (
    SELECT DISTINCT exchange_segment, exchange, instrument_type, underlying_symbol, expiry FROM resolved
    WHERE expiry IS NOT NULL AND exchange_segment IN (2, 5, 8)
), spots AS MATERIALIZED (
    SELECT DISTINCT ON (exchange, underlying_symbol, instrument_type) exchange, underlying_symbol, instrument_type, id
    FROM resolved WHERE expiry IS NULL ORDER BY exchange, underlying_symbol, instrument_type, place
), futures AS MATERIALIZED (
    SELECT underlying_symbol, expiry, id FROM resolved WHERE exchange_segment = 5 AND option_type = ''
)
SELECT c.exchange_segment, c.instrument_type, c.underlying_symbol, c.expiry, s.id AS spot_id
FROM contracts c JOIN spots s ON s.exchange = c.exchange AND s.underlying_symbol = c.underlying_symbol
    AND s.instrument_type = CASE WHEN c.instrument_type IN ('OPTIDX', 'FUTIDX') THEN 'INDEX' ELSE 'EQUITY' END
WHERE c.exchange_segment <> 5
UNION ALL (
SELECT DISTINCT ON (c.instrument_type, c.underlying_symbol, c.expiry)
    c.exchange_segment, c.instrument_type, c.underlying_symbol, c.expiry, f.id
FROM contracts c JOIN futures f ON f.underlying_symbol = c.underlying_symbol AND f.expiry >= c.expiry
WHERE c.exchange_segment = 5 AND c.instrument_type IN ('OPTFUT', 'OPTIDX')
ORDER BY c.instrument_type, c.underlying_symbol, c.expiry, f.expiry, f.id
)
"""

DELIST: Final = """
UPDATE instruments i SET is_listed = false, last_changed_at = %(now)s
WHERE i.is_listed AND NOT EXISTS (SELECT FROM resolved r WHERE r.id = i.id)
"""

_FIELDS: Final = (
    "exchange_segment",
    "security_id",
    "exchange",
    "instrument_type",
    "underlying_symbol",
    "token",
    "display_name",
    "isin",
    "series",
    "expiry",
    "strike",
    "option_type",
    "lot_size",
    "tick_size",
    "upper_limit",
    "lower_limit",
    "freeze_quantity",
)

UPSERT: Final = f"""
WITH written AS (
    INSERT INTO instruments AS target (
        id, {", ".join(_FIELDS)}, underlying_id, is_listed, first_seen_at, last_changed_at
    )
    SELECT r.id, {", ".join(f"r.{name}" for name in _FIELDS)}, l.spot_id, true, %(now)s, %(now)s
    FROM resolved r
    LEFT JOIN links l USING (exchange_segment, instrument_type, underlying_symbol, expiry)
    LEFT JOIN instruments i ON i.id = r.id AND NOT r.is_new
    WHERE r.is_new OR ({", ".join(f"i.{name}" for name in _FIELDS)}, i.underlying_id, i.is_listed)
        IS DISTINCT FROM ({", ".join(f"r.{name}" for name in _FIELDS)}, l.spot_id, true)
    ON CONFLICT (id) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in _FIELDS)},
        underlying_id = excluded.underlying_id, is_listed = true, last_changed_at = excluded.last_changed_at
    RETURNING target.id
)
SELECT count(*) FILTER (WHERE r.is_new), count(*) FILTER (WHERE NOT r.is_new) FROM written JOIN resolved r USING (id)
"""  # noqa: S608  Built from the column names above.
