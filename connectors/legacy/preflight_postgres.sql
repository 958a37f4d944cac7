-- name: settings
-- What decides whether the log can be read, and for how long it is kept; versions lack some of them.
SELECT name, setting FROM pg_settings WHERE name IN ('server_version_num', 'wal_level', 'max_replication_slots',
    'max_wal_senders', 'max_slot_wal_keep_size', 'wal_sender_timeout', 'logical_decoding_work_mem',
    'idle_replication_slot_timeout', 'sync_replication_slots', 'synchronized_standby_slots', 'rds.logical_replication')

-- name: server
-- Who looks where, and how much of what connectors need is taken. The views of replication are open to every user.
SELECT pg_is_in_recovery() AS standby, current_user::text AS me, current_database()::text AS database,
    (SELECT count(*) FROM pg_replication_slots) AS slots, (SELECT count(*) FROM pg_stat_replication) AS senders,
    (SELECT count(*) FROM pg_database WHERE datallowconn AND NOT datistemplate AND datname NOT IN ('postgres', current_database()))
        AS others

-- name: role
-- What the connector's user may do, by itself.
SELECT rolcanlogin AS login, rolreplication AS replication, rolsuper AS superuser, rolbypassrls AS bypasses,
    has_database_privilege(oid, current_database(), 'CREATE') AS creates,
    has_database_privilege(oid, current_database(), 'CONNECT') AS connects
FROM pg_roles WHERE rolname = :user

-- name: cloud_roles
-- Roles of managed databases that stand for REPLICATION.
SELECT r.rolname::text FROM pg_roles r WHERE pg_has_role(:user, r.oid, 'MEMBER')
    AND r.rolname IN ('rds_superuser', 'rds_replication', 'rdsadmin', 'rdsrepladmin', 'cloudsqlsuperuser', 'azure_pg_admin')

-- name: slot
-- The slot as JSON: later versions know more of it. `retained` is the log that it keeps, `behind` what of it nobody has
-- confirmed, in bytes.
SELECT to_jsonb(s) AS slot, pg_wal_lsn_diff(l.now, s.restart_lsn)::bigint AS retained,
    pg_wal_lsn_diff(l.now, s.confirmed_flush_lsn)::bigint AS behind
FROM pg_replication_slots s, (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
    ELSE pg_current_wal_lsn() END AS now) l
WHERE s.slot_name = :slot

-- name: publication
-- What the publication lets through.
SELECT puballtables AS all_tables, pubinsert AS inserts, pubupdate AS updates, pubdelete AS deletes, pubtruncate AS truncates,
    pubviaroot AS via_root
FROM pg_publication WHERE pubname = :publication

-- name: published
-- Its tables, with what hides some of their data, and whether the application may still update and delete there. A
-- partitioned table that is not published as one stands here beside its partitions.
SELECT n.nspname || '.' || c.relname AS name, coalesce(bool_or(to_jsonb(r) ->> 'prattrs' IS NOT NULL), false) AS columns,
    coalesce(bool_or(to_jsonb(r) ->> 'prqual' IS NOT NULL), false) AS filtered,
    bool_or(c.relreplident = 'n' OR (c.relreplident = 'd'
        AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))) AS keyless
FROM pg_publication p JOIN pg_class c ON c.relkind IN ('r', 'p') JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
WHERE p.pubname = :publication AND (r.oid IS NOT NULL OR EXISTS (SELECT 1 FROM pg_publication_tables t
    WHERE t.pubname = p.pubname AND t.schemaname = n.nspname AND t.tablename = c.relname))
GROUP BY 1 ORDER BY 1

-- name: tables
-- Everything about the tables that decides what their changes carry, and whether the connector's user may read them. Texts of
-- at most six characters are never stored apart; sized numbers neither.
SELECT n.nspname || '.' || c.relname AS name, c.relkind::text AS kind, c.relpersistence::text AS persistence,
    c.relreplident::text AS identity, c.relrowsecurity AND NOT pg_has_role(:user, c.relowner, 'USAGE') AS secured,
    pg_get_userbyid(c.relowner)::text AS owner, has_table_privilege(:user, c.oid, 'SELECT') AS selects,
    has_schema_privilege(:user, n.oid, 'USAGE') AS enters,
    has_table_privilege(:user, c.oid, 'INSERT') AND has_table_privilege(:user, c.oid, 'UPDATE') AS writes,
    pg_has_role(:user, c.relowner, 'USAGE') AS owned,
    ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = c.oid AND i.indisprimary) AS key,
    ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = c.oid AND i.indisreplident) AS indexed,
    ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attstorage <> 'p' AND (a.atttypmod < 0 OR (a.atttypid IN (1042, 1043) AND a.atttypmod > 10)) ORDER BY a.attnum) AS large,
    ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attgenerated <> '' ORDER BY a.attnum) AS generated,
    ARRAY(SELECT a.attname::text FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_type e ON e.oid = t.typelem
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND a.attstorage <> 'p'
        AND t.typcategory = 'A' AND e.typname NOT IN ('text', 'varchar', 'bpchar', 'json', 'jsonb', 'bytea', 'int4', 'date',
        'int8', 'uuid') ORDER BY a.attnum) AS arrays
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname || '.' || c.relname = ANY (CAST(:names AS text[]))

-- name: keyless
-- Every table of the database whose updates and deletes PostgreSQL refuses once it is published.
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND (c.relreplident = 'n' OR (c.relreplident = 'd'
        AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))) ORDER BY 1

-- name: open
-- Transactions that a new slot waits for. Locks are open to every user; who holds them, and since when, is not.
SELECT l.pid, a.usename::text AS user, extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds
FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid() ORDER BY 1

-- name: prepared
-- Transactions that were prepared and wait for a second word.
SELECT gid, database::text AS database FROM pg_prepared_xacts ORDER BY prepared
