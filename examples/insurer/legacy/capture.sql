-- What the integration team asks for in PostgreSQL, beside the legacy's own tables: whole rows in the log, a publication of
-- the captured tables, a table for signals to the connector, and one whose row moves the log where nobody works.

ALTER TABLE polmst REPLICA IDENTITY FULL;
ALTER TABLE covdtl REPLICA IDENTITY FULL;
ALTER TABLE clmhdr REPLICA IDENTITY FULL;
ALTER TABLE clmlin REPLICA IDENTITY FULL;
ALTER TABLE clmpay REPLICA IDENTITY FULL;

CREATE TABLE dragoman_signal (
    id   VARCHAR(64) PRIMARY KEY,
    type VARCHAR(32) NOT NULL,
    data VARCHAR(2048)
);

CREATE TABLE dragoman_heartbeat (
    id INTEGER PRIMARY KEY,
    at TIMESTAMPTZ NOT NULL
);
INSERT INTO dragoman_heartbeat VALUES (1, now());

CREATE PUBLICATION dragoman FOR TABLE polmst, covdtl, clmhdr, clmlin, clmpay, dragoman_signal, dragoman_heartbeat;
