-- :name lives
-- The facts that the last worker of each partition wrote.
SELECT partition, mapping_version, generation, source_epoch, state_epoch, source FROM lifecycle WHERE translator = ?
ORDER BY partition;

-- :name begin
-- Write the facts of this worker's life.
INSERT INTO lifecycle (translator, partition, mapping_version, generation, source_epoch, state_epoch, source)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (translator, partition) DO UPDATE SET mapping_version = excluded.mapping_version,
    generation = excluded.generation, source_epoch = excluded.source_epoch, state_epoch = excluded.state_epoch,
    source = excluded.source;

-- :name forget_lifecycle
-- A partition that nobody has worked on.
DELETE FROM lifecycle WHERE translator = ? AND partition = ?;

-- :name forget_aggregates
-- A partition without rows.
DELETE FROM aggregate WHERE translator = ? AND partition = ?;

-- :name forget_waiting
-- A partition in which nothing waits.
DELETE FROM waiting WHERE translator = ? AND partition = ?;

-- :name forget_counts
-- A partition in which nothing was counted.
DELETE FROM counted WHERE translator = ? AND partition = ?;

-- :name forget_pins
-- A partition in which no command was executed.
DELETE FROM pin WHERE translator = ? AND partition = ?;

-- :name forget_progress
-- A partition that is not loaded, and of which no changelog was read.
DELETE FROM progress WHERE translator = ? AND partition = ?;

-- :name partitions
-- The partitions that have rows; each is one look-up.
WITH RECURSIVE had (number) AS (
    SELECT min(partition) FROM aggregate WHERE translator = ?1
    UNION ALL
    SELECT (SELECT min(partition) FROM aggregate WHERE translator = ?1 AND partition > number) FROM had
    WHERE number IS NOT NULL
)
SELECT number FROM had WHERE number IS NOT NULL;

-- :name load
-- What is kept of some keys of a partition; {keys} is one placeholder for each.
SELECT key, body FROM aggregate WHERE translator = ? AND partition = ? AND key IN ({keys});

-- :name keep
-- Set what is kept of a key.
INSERT INTO aggregate (translator, partition, key, loading, body) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (translator, partition, key) DO UPDATE SET loading = excluded.loading, body = excluded.body;

-- :name loading
-- The first keys of a partition whose state is still to be published, in key order.
SELECT key, body FROM aggregate WHERE translator = ? AND partition = ? AND loading ORDER BY key LIMIT ?;

-- :name scan_first
-- The first keys of a partition in key order.
SELECT key, body FROM aggregate WHERE translator = ? AND partition = ? ORDER BY key LIMIT ?;

-- :name scan_next
-- The keys behind a key, in key order.
SELECT key, body FROM aggregate WHERE translator = ? AND partition = ? AND key > ? ORDER BY key LIMIT ?;

-- :name wait
-- Keep a waiting step.
INSERT INTO waiting (translator, partition, key, version, first_seen, body) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (translator, partition, key, version) DO UPDATE SET first_seen = excluded.first_seen, body = excluded.body;

-- :name settle
-- A step waits no longer.
DELETE FROM waiting WHERE translator = ? AND partition = ? AND key = ? AND version = ?;

-- :name waiting_of_key
-- The waiting steps of a key of a partition, in order.
SELECT body FROM waiting WHERE translator = ? AND partition = ? AND key = ? ORDER BY version;

-- :name waiting_of_key_anywhere
-- The waiting steps of a key in order.
SELECT body FROM waiting WHERE translator = ? AND key = ? ORDER BY version, partition;

-- :name waiting
-- The waiting steps in the order of first being seen.
SELECT body FROM waiting WHERE translator = ?1 AND (?2 IS NULL OR partition = ?2)
ORDER BY first_seen, key, version, partition;

-- :name waiting_keys
-- The key of each waiting step.
SELECT key FROM waiting WHERE translator = ?1 AND (?2 IS NULL OR partition = ?2);

-- :name count
-- Add to a count.
INSERT INTO counted (translator, partition, subject, label, amount) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (translator, partition, subject, label) DO UPDATE SET amount = amount + excluded.amount;

-- :name counts
-- The counts of one partition or of all.
SELECT subject, label, sum(amount) FROM counted WHERE translator = ?1 AND (?2 IS NULL OR partition = ?2)
GROUP BY subject, label ORDER BY subject, label;

-- :name pin
-- Set where a command is executed and what became of it.
INSERT INTO pin (translator, partition, command, at, result) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (translator, partition, command) DO UPDATE SET at = excluded.at, result = excluded.result;

-- :name pins
-- The pins by command.
SELECT command, partition, at, result FROM pin WHERE translator = ?1 AND (?2 IS NULL OR partition = ?2)
ORDER BY command, partition;

-- :name set_live
-- From here on the changes of a partition are news, or it is loading again.
INSERT INTO progress (translator, partition, live) VALUES (?, ?, ?)
ON CONFLICT (translator, partition) DO UPDATE SET live = excluded.live;

-- :name set_logged
-- How far the changelog of a partition says the same.
INSERT INTO progress (translator, partition, logged) VALUES (?, ?, ?)
ON CONFLICT (translator, partition) DO UPDATE SET logged = excluded.logged;

-- :name progress
-- Whether a partition is loaded, and how far the changelog says the same.
SELECT live, logged FROM progress WHERE translator = ? AND partition = ?;
