CREATE TABLE gateway_company (
    company_id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    mid TEXT NOT NULL,
    pass_hash BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX gateway_company_owner ON gateway_company (merchant_id, mode);

CREATE TABLE gateway_transaction (
    id TEXT PRIMARY KEY,
    number TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    kind TEXT NOT NULL,
    subscription TEXT NOT NULL,
    token TEXT NOT NULL,
    original TEXT NOT NULL,
    order_id TEXT NOT NULL,
    order_slot TEXT,
    minor BIGINT,
    currency TEXT,
    operation_id TEXT,
    card_id TEXT,
    owns_card BIGINT NOT NULL,
    state TEXT NOT NULL,
    code BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    settled_at BIGINT
);
CREATE UNIQUE INDEX gateway_transaction_number ON gateway_transaction (number);
CREATE UNIQUE INDEX gateway_transaction_slot ON gateway_transaction (merchant_id, mode, order_slot);
CREATE INDEX gateway_transaction_order ON gateway_transaction (merchant_id, mode, order_id, id);
CREATE INDEX gateway_transaction_original ON gateway_transaction (merchant_id, mode, original, id);
CREATE INDEX gateway_transaction_token ON gateway_transaction (merchant_id, mode, token, id);

CREATE TABLE gateway_token (
    id TEXT PRIMARY KEY,
    number TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    card_id TEXT NOT NULL,
    owns_card BIGINT NOT NULL,
    enabled BIGINT NOT NULL,
    scheme_reference TEXT,
    sealed BYTEA NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX gateway_token_number ON gateway_token (number);
CREATE INDEX gateway_token_card ON gateway_token (card_id);

CREATE TABLE gateway_request (
    company_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (company_id, digest)
);
CREATE INDEX gateway_request_at ON gateway_request (at);

CREATE TABLE account_update (
    id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    token TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    cause TEXT NOT NULL,
    state TEXT NOT NULL,
    scheme_code TEXT NOT NULL,
    new_number BIGINT NOT NULL,
    new_expiry BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE INDEX account_update_token ON account_update (merchant_id, mode, token, id);
CREATE INDEX account_update_state ON account_update (state, id);
