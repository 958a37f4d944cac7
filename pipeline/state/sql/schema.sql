-- The state of all translators of a project in one file. Changing this text is a new file format: raise FORMAT in
-- pipeline/state/sqlite.py with it. The bodies are in the format of pipeline/state/codec.py, which counts by itself.

-- The facts of each translator that outlive a run.
CREATE TABLE lifecycle (
    translator TEXT NOT NULL PRIMARY KEY,
    mapping_version TEXT NOT NULL,
    generation INTEGER NOT NULL,
    source_epoch INTEGER NOT NULL,
    state_epoch INTEGER NOT NULL
) WITHOUT ROWID;

-- What is kept of each business key. partition and loading repeat what the body says, so that they can be asked for.
CREATE TABLE aggregate (
    translator TEXT NOT NULL,
    key TEXT NOT NULL,
    partition INTEGER NOT NULL,
    loading INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (translator, key)
);

-- The keys whose state is still to be published, in key order. Empty once everything is loaded.
CREATE INDEX aggregate_loading ON aggregate (translator, partition, key) WHERE loading;

-- The steps that wait, whole. first_seen repeats what the body says, for the order.
CREATE TABLE waiting (
    translator TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (translator, key, version)
);

-- What was counted, by table and label.
CREATE TABLE counted (
    translator TEXT NOT NULL,
    subject TEXT NOT NULL,
    label TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (translator, subject, label)
) WITHOUT ROWID;

-- Where each command of the control topic is executed, and what became of it.
CREATE TABLE pin (
    translator TEXT NOT NULL,
    command INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    at INTEGER NOT NULL,
    result TEXT NOT NULL,
    PRIMARY KEY (translator, command, partition)
) WITHOUT ROWID;

-- The partitions that are loaded: from here on their changes are news.
CREATE TABLE live (
    translator TEXT NOT NULL,
    partition INTEGER NOT NULL,
    PRIMARY KEY (translator, partition)
) WITHOUT ROWID;
