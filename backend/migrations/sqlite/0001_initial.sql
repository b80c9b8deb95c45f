CREATE TABLE fact (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE merchant (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL REFERENCES merchant (id),
    mode TEXT NOT NULL,
    login TEXT NOT NULL UNIQUE,
    secret_hash BLOB NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
) WITHOUT ROWID;

CREATE TABLE vault_key (
    id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL REFERENCES merchant (id),
    mode TEXT NOT NULL,
    name TEXT NOT NULL,
    custody TEXT NOT NULL,
    salt BLOB NOT NULL,
    kdf TEXT NOT NULL,
    wrapped_custody BLOB NOT NULL,
    wrapped_token_key BLOB NOT NULL,
    current_version BIGINT NOT NULL,
    row_version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX vault_key_name ON vault_key (merchant_id, mode, name);

CREATE TABLE vault_key_pair (
    key_id TEXT NOT NULL REFERENCES vault_key (id),
    version BIGINT NOT NULL,
    public_half BLOB NOT NULL,
    wrapped_private BLOB NOT NULL,
    wrapped_psk BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, version)
) WITHOUT ROWID;

CREATE TABLE card (
    id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    key_id TEXT NOT NULL,
    key_version BIGINT NOT NULL,
    token TEXT NOT NULL,
    reference TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    brand TEXT NOT NULL,
    first_six TEXT NOT NULL,
    last_four TEXT NOT NULL,
    digits BIGINT NOT NULL,
    expiry_year BIGINT,
    expiry_month BIGINT,
    holder TEXT NOT NULL,
    version BIGINT NOT NULL,
    last_patch BIGINT NOT NULL,
    waiting BIGINT NOT NULL,
    waiting_bytes BIGINT NOT NULL,
    sealed BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX card_identity ON card (key_id, token, reference);
CREATE INDEX card_of_key ON card (key_id, id);

CREATE TABLE card_patch (
    card_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    key_version BIGINT NOT NULL,
    sealed BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (card_id, number)
) WITHOUT ROWID;

CREATE TABLE cvv_key (
    id TEXT PRIMARY KEY,
    hour BIGINT NOT NULL UNIQUE,
    wrapped BLOB NOT NULL,
    created_at BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE card_cvv (
    card_id TEXT PRIMARY KEY,
    cvv_key_id TEXT NOT NULL,
    key_version BIGINT NOT NULL,
    sealed BLOB NOT NULL,
    expires_at BIGINT NOT NULL,
    uses_left BIGINT NOT NULL,
    created_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX card_cvv_end ON card_cvv (cvv_key_id, expires_at);

CREATE TABLE capture_endpoint (
    id TEXT PRIMARY KEY,
    unique_id TEXT NOT NULL UNIQUE,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    key_id TEXT NOT NULL,
    key_name TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    algorithm TEXT NOT NULL,
    lock_token TEXT,
    lock_reference TEXT,
    reference TEXT,
    return_card_metadata BIGINT NOT NULL,
    webhook BLOB,
    expires_at BIGINT,
    max_uses BIGINT NOT NULL,
    max_per_minute BIGINT NOT NULL,
    uses BIGINT NOT NULL,
    window_minute BIGINT NOT NULL,
    window_uses BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    disabled_at BIGINT,
    created_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX capture_endpoint_owner ON capture_endpoint (merchant_id, mode, id);
CREATE INDEX capture_endpoint_expiry ON capture_endpoint (expires_at);

CREATE TABLE hosted_form (
    id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    form_type TEXT NOT NULL,
    settings TEXT NOT NULL,
    created_at BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE page_result (
    id_hash TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    sealed BLOB NOT NULL,
    was_read BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit_entry (
    merchant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    mode TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (merchant_id, id)
) WITHOUT ROWID;

CREATE TABLE outbox_event (
    id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE rate_window (
    scope TEXT NOT NULL,
    subject TEXT NOT NULL,
    minute BIGINT NOT NULL,
    hits BIGINT NOT NULL,
    PRIMARY KEY (scope, subject)
) WITHOUT ROWID;
