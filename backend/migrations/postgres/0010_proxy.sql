CREATE TABLE proxy_host (
    id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    host TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX proxy_host_name ON proxy_host (merchant_id, mode, host);

CREATE TABLE rule (
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    name TEXT NOT NULL,
    operations TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, mode, name)
);

CREATE TABLE proxy_send (
    id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    card_id TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    code BYTEA NOT NULL,
    cvv_key_id TEXT,
    code_ends_at BIGINT,
    result BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE INDEX proxy_send_owner ON proxy_send (merchant_id, mode, id);
CREATE INDEX proxy_send_card ON proxy_send (card_id);
CREATE INDEX proxy_send_finished ON proxy_send (finished_at);
CREATE INDEX proxy_send_code ON proxy_send (cvv_key_id);

ALTER TABLE capture_endpoint ADD COLUMN rules TEXT;
