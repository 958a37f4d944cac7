-- :name add_topic
-- Make a topic; its partitions follow in the same transaction.
INSERT INTO topics (name, kind, partitions, compacted) VALUES (?, ?, ?, ?);

-- :name add_partition
-- Give a partition the next free slot.
INSERT INTO partitions (topic, partition) VALUES (?, ?);

-- :name topics
-- All topics.
SELECT name, kind, partitions, compacted FROM topics;

-- :name slots
-- The slot of each partition of a topic, by partition.
SELECT slot FROM partitions WHERE topic = ? ORDER BY partition;

-- :name end
-- The offset that the next record of a partition gets.
SELECT ends FROM partitions WHERE slot = ?;

-- :name set_end
-- Move the end of a partition, in the transaction that appends to it.
UPDATE partitions SET ends = ? WHERE slot = ?;

-- :name append
-- Append a record at its place.
INSERT INTO records (id, timestamp, checksum, key, headers, value) VALUES (?, ?, ?, ?, ?, ?);

-- :name read
-- The records of a range of one partition, in offset order.
SELECT id, timestamp, checksum, key, headers, value FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT ?;

-- :name first
-- The lowest offset of a partition that may be read.
SELECT first FROM partitions WHERE slot = ?;

-- :name set_first
-- Let the records of a partition expire below an offset, never back and never past the end.
UPDATE partitions SET first = MAX(first, MIN(?, ends)) WHERE slot = ?;

-- :name expire
-- Drop a range of a partition.
DELETE FROM records WHERE id >= ? AND id < ?;

-- :name cleaned
-- Up to where the latest compaction of a partition went.
SELECT cleaned FROM partitions WHERE slot = ?;

-- :name compact
-- Drop what has a later record of its key in the range, and the tombstones that an earlier compaction has seen.
DELETE FROM records WHERE id IN (
    SELECT id FROM (
        SELECT id, value IS NULL AS dead, MAX(id) OVER (PARTITION BY key) AS latest
        FROM records WHERE id >= :low AND id < :high
    ) WHERE id < latest OR (dead AND id < :cleaned)
);

-- :name set_cleaned
-- Remember how far this compaction went.
UPDATE partitions SET cleaned = ends WHERE slot = ?;

-- :name committed
-- The committed offsets of a group.
SELECT topic, partition, position FROM commits JOIN partitions USING (slot) WHERE consumer = ?;

-- :name commit
-- Set the committed offset of a group on one partition.
INSERT INTO commits (consumer, slot, position) VALUES (?, ?, ?)
ON CONFLICT (consumer, slot) DO UPDATE SET position = excluded.position;

-- :name groups
-- All groups that ever committed.
SELECT DISTINCT consumer FROM commits ORDER BY consumer;

-- :name touch
-- Write nothing, but be refused where nothing can be written (BEGIN IMMEDIATE is not).
UPDATE partitions SET ends = ends WHERE FALSE;

-- :name make_writers
-- The newest writer of each name. Made where it is first needed: a log from before there were writers stays readable.
CREATE TABLE IF NOT EXISTS writers (name TEXT NOT NULL PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;

-- :name take_over
-- Be the newest writer of a name.
INSERT INTO writers (name, epoch) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET epoch = epoch + 1 RETURNING epoch;

-- :name writer
-- The epoch of the newest writer of a name.
SELECT epoch FROM writers WHERE name = ?;
