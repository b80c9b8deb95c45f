CREATE TABLE bin_range (
    generation BIGINT NOT NULL,
    prefix TEXT NOT NULL,
    brand TEXT NOT NULL,
    bank TEXT NOT NULL,
    country TEXT NOT NULL,
    kind TEXT NOT NULL,
    level TEXT NOT NULL,
    PRIMARY KEY (generation, prefix)
);

CREATE TABLE retrieve_endpoint (
    id TEXT PRIMARY KEY,
    unique_id TEXT NOT NULL UNIQUE,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    key_id TEXT NOT NULL,
    key_name TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    wrapped BYTEA NOT NULL,
    lock_token TEXT,
    lock_reference TEXT,
    mask_fields TEXT NOT NULL,
    expires_at BIGINT,
    max_uses BIGINT NOT NULL,
    uses BIGINT NOT NULL,
    max_reveals BIGINT NOT NULL,
    reveals BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX retrieve_endpoint_owner ON retrieve_endpoint (merchant_id, mode, id);
CREATE INDEX retrieve_endpoint_key ON retrieve_endpoint (key_id);
CREATE INDEX retrieve_endpoint_expiry ON retrieve_endpoint (expires_at);
