-- The state of all translators of a project in one file. Changing this text is a new file format: raise FORMAT in
-- pipeline/state/sqlite.py with it, and say in a file beside this one how the old tables are read. The bodies are in the
-- format of pipeline/state/codec.py, which counts by itself.

-- The facts of each partition that outlive a run.
CREATE TABLE lifecycle (
    translator TEXT NOT NULL,
    partition INTEGER NOT NULL,
    mapping_version TEXT NOT NULL,
    generation INTEGER NOT NULL,
    source_epoch INTEGER NOT NULL,
    state_epoch INTEGER NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (translator, partition)
) WITHOUT ROWID;

-- What is kept of each business key. loading repeats what the body says, so that it can be asked for.
CREATE TABLE aggregate (
    translator TEXT NOT NULL,
    partition INTEGER NOT NULL,
    key TEXT NOT NULL,
    loading INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (translator, partition, key)
);

-- The keys whose state is still to be published, in key order. Empty once everything is loaded.
CREATE INDEX aggregate_loading ON aggregate (translator, partition, key) WHERE loading;

-- The steps that wait, whole. first_seen repeats what the body says, for the order.
CREATE TABLE waiting (
    translator TEXT NOT NULL,
    partition INTEGER NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (translator, partition, key, version)
);

-- What was counted, by table and label.
CREATE TABLE counted (
    translator TEXT NOT NULL,
    partition INTEGER NOT NULL,
    subject TEXT NOT NULL,
    label TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (translator, partition, subject, label)
) WITHOUT ROWID;

-- Where each command of the control topic is executed, and what became of it.
CREATE TABLE pin (
    translator TEXT NOT NULL,
    partition INTEGER NOT NULL,
    command INTEGER NOT NULL,
    at INTEGER NOT NULL,
    result TEXT NOT NULL,
    PRIMARY KEY (translator, partition, command)
) WITHOUT ROWID;

-- How far each partition is: live once it is loaded (its changes are news), logged as far as a changelog says the same.
CREATE TABLE progress (
    translator TEXT NOT NULL,
    partition INTEGER NOT NULL,
    live INTEGER NOT NULL DEFAULT 0,
    logged INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (translator, partition)
) WITHOUT ROWID;
