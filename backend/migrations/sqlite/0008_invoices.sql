CREATE TABLE invoice (
    id TEXT PRIMARY KEY,
    page_id TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    reference TEXT NOT NULL,
    service TEXT NOT NULL,
    flow TEXT NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    status TEXT NOT NULL,
    resolution TEXT NOT NULL,
    taken BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    busy TEXT,
    payment TEXT,
    customer_id TEXT,
    card_id TEXT,
    sealed BLOB NOT NULL,
    processed_at BIGINT,
    failed_at BIGINT,
    refunded_at BIGINT,
    expires_at BIGINT NOT NULL,
    open_until BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX invoice_page ON invoice (page_id);
CREATE UNIQUE INDEX invoice_reference ON invoice (merchant_id, mode, reference);
CREATE INDEX invoice_list ON invoice (merchant_id, created_at, id);
CREATE INDEX invoice_open ON invoice (open_until);

CREATE TABLE customer (
    id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    reference_digest TEXT NOT NULL,
    created_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX customer_reference ON customer (merchant_id, mode, reference_digest);

CREATE TABLE card_owner (
    card_id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    usable_at BIGINT,
    disabled_at BIGINT,
    scheme_reference TEXT
) WITHOUT ROWID;

CREATE TABLE invoice_account (
    id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    key_hash BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
) WITHOUT ROWID;

CREATE TABLE callback_secret (
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, mode)
) WITHOUT ROWID;

CREATE TABLE sale_key (
    id TEXT PRIMARY KEY,
    wrapped_private BLOB NOT NULL,
    public TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT
) WITHOUT ROWID;
