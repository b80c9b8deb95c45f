-- The audit log as chains: a code for each entry, entries of a commit that wait for their seal, seals, and the end of
-- each chain. Entries from before have no code until a server gives them one.
ALTER TABLE audit_entry ADD COLUMN mac BYTEA;
CREATE INDEX audit_entry_unmarked ON audit_entry (merchant_id, id) WHERE mac IS NULL;

CREATE TABLE audit_waiting (
    first_id TEXT NOT NULL,
    chain TEXT NOT NULL,
    entries TEXT NOT NULL,
    PRIMARY KEY (first_id, chain)
);

CREATE TABLE audit_seal (
    chain TEXT NOT NULL,
    number BIGINT NOT NULL,
    total BIGINT NOT NULL,
    at BIGINT NOT NULL,
    members TEXT NOT NULL,
    link BYTEA NOT NULL,
    PRIMARY KEY (chain, number)
);

CREATE TABLE audit_head (
    chain TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    total BIGINT NOT NULL,
    at BIGINT NOT NULL,
    link BYTEA NOT NULL,
    torn BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
