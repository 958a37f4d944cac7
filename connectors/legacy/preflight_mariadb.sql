-- name: variables
-- What decides whether the binary log has whole rows, and for how long it is kept; versions lack some of them.
SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'log_bin', 'binlog_format', 'binlog_row_image',
    'binlog_row_value_options', 'binlog_expire_logs_seconds', 'expire_logs_days', 'server_id', 'gtid_mode',
    'enforce_gtid_consistency', 'gtid_strict_mode', 'gtid_domain_id', 'binlog_annotate_row_events',
    'binlog_rows_query_log_events', 'log_bin_compress', 'encrypt_binlog', 'log_replica_updates', 'log_slave_updates',
    'time_zone', 'system_time_zone', 'lower_case_table_names', 'wait_timeout', 'net_write_timeout', 'max_allowed_packet',
    'read_only', 'super_read_only', 'require_secure_transport', 'partial_revokes')

-- name: me
-- Who looks: user and host as grants name them.
SELECT CURRENT_USER()

-- name: tables
-- The captured tables: how many columns their primary keys have, and how many have a time in no zone or the session's.
-- Constraints are hidden from who may only read.
SELECT concat(t.table_schema, '.', t.table_name) AS name, t.table_type AS kind, coalesce(t.engine, '') AS engine,
    (SELECT count(*) FROM information_schema.columns k WHERE k.table_schema = t.table_schema
        AND k.table_name = t.table_name AND k.column_key = 'PRI') AS keyed,
    (SELECT count(*) FROM information_schema.columns c WHERE c.table_schema = t.table_schema
        AND c.table_name = t.table_name AND c.data_type IN ('datetime', 'timestamp')) AS timed
FROM information_schema.tables t
WHERE concat(t.table_schema, '.', t.table_name) IN :names

-- name: hosts
-- The accounts of a user; only those who may read `mysql.user` learn of others'.
SELECT host FROM mysql.user WHERE user = :user ORDER BY host
