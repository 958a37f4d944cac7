-- name: postgres_tables
-- Every relation of a schema with what decides whether its changes can be captured.
SELECT c.relname AS name, c.relkind AS kind, c.relispartition AS is_partition, c.relpersistence AS persistence,
       c.relreplident AS identity
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = :namespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
 ORDER BY c.relname

-- name: postgres_columns
-- Their columns: a domain as its base type, an enum with its members, a collation where it is not the type's own.
SELECT c.relname AS "table", a.attname AS name, NOT (a.attnotnull OR t.typnotnull) AS nullable,
       a.attgenerated <> '' AS computed,
       CASE t.typtype
         WHEN 'e' THEN 'enum(' || (SELECT string_agg(quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder)
                                     FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid) || ')'
         WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod)
         ELSE format_type(a.atttypid, a.atttypmod) END AS type,
       CASE WHEN a.attcollation <> t.typcollation THEN l.collname END AS collation
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
 WHERE n.nspname = :namespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY c.relname, a.attnum

-- name: mariadb_tables
-- Every relation of a database.
SELECT table_name AS name, table_type AS kind, table_collation AS collation
  FROM information_schema.tables WHERE table_schema = :namespace ORDER BY table_name

-- name: mariadb_columns
-- Their columns; what is computed on reading is not in the binary log.
SELECT table_name AS "table", column_name AS name, column_type AS type, is_nullable = 'YES' AS nullable,
       extra LIKE '%VIRTUAL GENERATED%' AS computed, collation_name AS collation
  FROM information_schema.columns WHERE table_schema = :namespace ORDER BY table_name, ordinal_position

-- name: sqlite_tables
-- Every relation of the file, without SQLite's own and ours.
SELECT name, type AS kind FROM pragma_table_list
 WHERE schema = :namespace AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE '\_dragoman\_%' ESCAPE '\'
 ORDER BY name

-- name: sqlite_columns
-- Their columns; a key that is no row number may be null by the letter, and is none in practice.
SELECT t.name AS "table", c.name AS name, c.type AS type, c."notnull" = 0 AND c.pk = 0 AS nullable,
       0 AS computed, NULL AS collation
  FROM pragma_table_list t, pragma_table_info(t.name) c
 WHERE t.schema = :namespace AND t.type = 'table' ORDER BY t.name, c.cid
