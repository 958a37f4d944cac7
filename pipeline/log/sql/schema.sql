-- One file, one log. Changing this text is a new file format: raise FORMAT in embedded.py with it.

-- The topics, with what is for ever about them.
CREATE TABLE topics (
    name TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    partitions INTEGER NOT NULL,
    compacted INTEGER NOT NULL
);

-- One row per partition: first = lowest offset that may be read, ends = the offset that the next record gets,
-- cleaned = what ends was at the latest compaction.
CREATE TABLE partitions (
    slot INTEGER PRIMARY KEY,
    topic TEXT NOT NULL REFERENCES topics (name),
    partition INTEGER NOT NULL,
    first INTEGER NOT NULL DEFAULT 0,
    ends INTEGER NOT NULL DEFAULT 0,
    cleaned INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, partition)
);

-- The records; id = slot * 2^44 + offset, so that a partition is one range of the table in offset order.
-- headers is MessagePack, null for none; checksum is CRC-32 over everything else in the row.
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    timestamp INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    key BLOB,
    headers BLOB,
    value BLOB
);

-- Where each consumer group reads next.
CREATE TABLE commits (
    consumer TEXT NOT NULL,
    slot INTEGER NOT NULL REFERENCES partitions (slot),
    position INTEGER NOT NULL,
    PRIMARY KEY (consumer, slot)
) WITHOUT ROWID;
