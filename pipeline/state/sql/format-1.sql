-- What the tables of format 1 say, in the columns of today; {of} is put behind the name of each of them.

-- :name lifecycle
-- It was one for all partitions; those that left a trace have it.
SELECT translator, partition, mapping_version, generation, source_epoch, state_epoch, '' AS source FROM main.lifecycle{of}
JOIN (
    SELECT translator, partition FROM main.aggregate{of}
    UNION SELECT translator, partition_of(body) FROM main.waiting{of}
    UNION SELECT translator, partition FROM main.pin{of}
    UNION SELECT translator, partition FROM main.live{of}
    UNION SELECT translator, 0 FROM main.lifecycle{of}
) USING (translator)

-- :name aggregate
-- The same rows.
SELECT translator, partition, key, loading, body FROM main.aggregate{of}

-- :name waiting
-- The partition was in the body only.
SELECT translator, partition_of(body) AS partition, key, version, first_seen, body FROM main.waiting{of}

-- :name counted
-- They were counted over all partitions, and stay so in their sum.
SELECT translator, 0 AS partition, subject, label, amount FROM main.counted{of}

-- :name pin
-- The same rows.
SELECT translator, partition, command, at, result FROM main.pin{of}

-- :name progress
-- A partition was in the table once it was loaded.
SELECT translator, partition, 1 AS live, 0 AS logged FROM main.live{of}
