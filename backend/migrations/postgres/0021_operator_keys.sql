-- Whether a retrieve endpoint shows its card on the hosted page alone.
ALTER TABLE retrieve_endpoint ADD COLUMN reveal_only BIGINT NOT NULL DEFAULT 0;

CREATE TABLE operator_key (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    login TEXT NOT NULL UNIQUE,
    secret_hash BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);
