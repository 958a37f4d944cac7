-- :name lifecycle
-- The facts that the last worker wrote.
SELECT mapping_version, generation, source_epoch, state_epoch FROM lifecycle WHERE translator = ?;

-- :name begin
-- Write the facts of this worker's life.
INSERT INTO lifecycle (translator, mapping_version, generation, source_epoch, state_epoch) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (translator) DO UPDATE SET mapping_version = excluded.mapping_version, generation = excluded.generation,
    source_epoch = excluded.source_epoch, state_epoch = excluded.state_epoch;

-- :name forget_aggregates
-- A new state epoch knows no rows.
DELETE FROM aggregate WHERE translator = ?;

-- :name forget_waiting
-- A new state epoch has nothing waiting.
DELETE FROM waiting WHERE translator = ?;

-- :name forget_counts
-- A new state epoch has counted nothing.
DELETE FROM counted WHERE translator = ?;

-- :name forget_pins
-- A new state epoch has executed no command.
DELETE FROM pin WHERE translator = ?;

-- :name forget_live
-- A new state epoch has loaded no partition.
DELETE FROM live WHERE translator = ?;

-- :name load
-- What is kept of some keys; {keys} is one placeholder for each.
SELECT key, body FROM aggregate WHERE translator = ? AND key IN ({keys});

-- :name keep
-- Set what is kept of a key.
INSERT INTO aggregate (translator, key, partition, loading, body) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (translator, key) DO UPDATE SET partition = excluded.partition, loading = excluded.loading,
    body = excluded.body;

-- :name loading
-- The first keys of a partition whose state is still to be published, in key order.
SELECT key, body FROM aggregate WHERE translator = ? AND partition = ? AND loading ORDER BY key LIMIT ?;

-- :name scan_first
-- The first keys in key order.
SELECT key, body FROM aggregate WHERE translator = ? ORDER BY key LIMIT ?;

-- :name scan_next
-- The keys behind a key, in key order.
SELECT key, body FROM aggregate WHERE translator = ? AND key > ? ORDER BY key LIMIT ?;

-- :name wait
-- Keep a waiting step.
INSERT INTO waiting (translator, key, version, first_seen, body) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (translator, key, version) DO UPDATE SET first_seen = excluded.first_seen, body = excluded.body;

-- :name settle
-- A step waits no longer.
DELETE FROM waiting WHERE translator = ? AND key = ? AND version = ?;

-- :name waiting_of_key
-- The waiting steps of a key in order.
SELECT body FROM waiting WHERE translator = ? AND key = ? ORDER BY version;

-- :name waiting
-- All waiting steps in the order of first being seen.
SELECT body FROM waiting WHERE translator = ? ORDER BY first_seen, key, version;

-- :name waiting_keys
-- The keys that have waiting steps.
SELECT DISTINCT key FROM waiting WHERE translator = ?;

-- :name count
-- Add to a count.
INSERT INTO counted (translator, subject, label, amount) VALUES (?, ?, ?, ?)
ON CONFLICT (translator, subject, label) DO UPDATE SET amount = amount + excluded.amount;

-- :name counts
-- All counts.
SELECT subject, label, amount FROM counted WHERE translator = ? ORDER BY subject, label;

-- :name pin
-- Set where a command is executed and what became of it.
INSERT INTO pin (translator, command, partition, at, result) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (translator, command, partition) DO UPDATE SET at = excluded.at, result = excluded.result;

-- :name pins
-- All pins by command.
SELECT command, partition, at, result FROM pin WHERE translator = ? ORDER BY command, partition;

-- :name set_live
-- From here on the changes of a partition are news.
INSERT INTO live (translator, partition) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- :name unset_live
-- A partition is loading again.
DELETE FROM live WHERE translator = ? AND partition = ?;

-- :name is_live
-- Whether a partition is loaded.
SELECT 1 FROM live WHERE translator = ? AND partition = ?;
