-- name: tables
-- The committed changes in the order in which they were made, the transaction that is open, and rows about to be replaced.
CREATE TABLE IF NOT EXISTS _dragoman_changes (
    pos INTEGER PRIMARY KEY AUTOINCREMENT,
    tbl TEXT NOT NULL,
    op TEXT NOT NULL,
    before TEXT,
    after TEXT,
    txid INTEGER,
    at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS _dragoman_marker (one INTEGER PRIMARY KEY CHECK (one = 1), txid INTEGER, at TEXT);
CREATE TABLE IF NOT EXISTS _dragoman_replaced (tbl TEXT NOT NULL, key TEXT NOT NULL, image TEXT NOT NULL);
INSERT INTO _dragoman_marker (one) SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM _dragoman_marker);

-- name: marker
-- A marker row opens a transaction: what is written after it carries its id and its time.
CREATE TRIGGER $trigger AFTER INSERT ON $table BEGIN
    UPDATE _dragoman_marker SET txid = NEW.$id, at = NEW.$time;
END

-- name: before_insert
-- SQLite fires no delete trigger for a row that REPLACE removes, so the rows in its way are kept beforehand.
CREATE TRIGGER $trigger BEFORE INSERT ON $table BEGIN
    DELETE FROM _dragoman_replaced WHERE tbl = $name;
    INSERT INTO _dragoman_replaced SELECT $name, $key, $row FROM $table WHERE $conflict;
END

-- name: after_insert
-- A row in the way that has the new row's key was updated; any other was deleted, since both cannot be there.
CREATE TRIGGER $trigger AFTER INSERT ON $table BEGIN
    INSERT INTO _dragoman_changes (tbl, op, before, txid, at)
        SELECT $name, 'd', r.image, m.txid, coalesce(m.at, $now) FROM _dragoman_replaced r, _dragoman_marker m
        WHERE r.tbl = $name AND r.key <> $new_key;
    INSERT INTO _dragoman_changes (tbl, op, before, after, txid, at)
        SELECT $name, iif(r.image IS NULL, 'c', 'u'), r.image, $new_row, m.txid, coalesce(m.at, $now)
        FROM _dragoman_marker m LEFT JOIN _dragoman_replaced r ON r.tbl = $name AND r.key = $new_key;
    DELETE FROM _dragoman_replaced WHERE tbl = $name;
END

-- name: before_update
-- UPDATE OR REPLACE removes rows in its way as silently; only a change of a unique column can.
CREATE TRIGGER $trigger BEFORE UPDATE ON $table BEGIN
    DELETE FROM _dragoman_replaced WHERE tbl = $name;
    INSERT INTO _dragoman_replaced
        SELECT $name, $key, $row FROM $table WHERE ($moved) AND ($conflict) AND $key <> $old_key;
END

-- name: after_update
CREATE TRIGGER $trigger AFTER UPDATE ON $table BEGIN
    INSERT INTO _dragoman_changes (tbl, op, before, txid, at)
        SELECT $name, 'd', r.image, m.txid, coalesce(m.at, $now) FROM _dragoman_replaced r, _dragoman_marker m
        WHERE r.tbl = $name;
    INSERT INTO _dragoman_changes (tbl, op, before, after, txid, at)
        SELECT $name, 'u', $old_row, $new_row, m.txid, coalesce(m.at, $now) FROM _dragoman_marker m;
    DELETE FROM _dragoman_replaced WHERE tbl = $name;
END

-- name: after_delete
-- With recursive_triggers a replaced row does fire this one: it is then no longer waiting to be told.
CREATE TRIGGER $trigger AFTER DELETE ON $table BEGIN
    INSERT INTO _dragoman_changes (tbl, op, before, txid, at)
        SELECT $name, 'd', $old_row, m.txid, coalesce(m.at, $now) FROM _dragoman_marker m;
    DELETE FROM _dragoman_replaced WHERE tbl = $name AND key = $old_key;
END

-- name: ours
-- Everything that was installed.
SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE '!_dragoman!_%' ESCAPE '!';

-- name: columns
-- The columns of a table, as the database has them now, generated ones included.
SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid;

-- name: unique
-- The unique indexes of a table whose columns are plain: a row can be replaced because of any of them.
SELECT l.name, i.name FROM pragma_index_list(?) l, pragma_index_info(l.name) i
WHERE l."unique" AND NOT l.partial
    AND NOT EXISTS (SELECT 1 FROM pragma_index_info(l.name) e WHERE e.cid < 0)
ORDER BY l.name, i.seqno;

-- name: end
-- The position of the last change that was committed; it never falls, even if changes are pruned.
SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = '_dragoman_changes';

-- name: changes
-- Committed changes behind a position, in order. Images are bytes, so that text that is not UTF-8 is seen here.
SELECT pos, tbl, op, CAST(before AS BLOB), CAST(after AS BLOB), txid, at
FROM _dragoman_changes WHERE pos > ? ORDER BY pos LIMIT ?;

-- name: rest
-- What remains of a transaction behind a position.
SELECT pos, tbl, op, CAST(before AS BLOB), CAST(after AS BLOB), txid, at
FROM _dragoman_changes WHERE pos > ? AND txid = ? ORDER BY pos;

-- name: rows
-- All rows of a table in the order of its key.
SELECT $columns FROM $table ORDER BY $key;

-- name: rows_of
-- The rows of a table that may be those of one key, in the order of the table's.
SELECT $columns FROM $table WHERE $condition ORDER BY $key;
