CREATE TABLE card_request (
    id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    kind TEXT NOT NULL,
    channel TEXT NOT NULL,
    status TEXT NOT NULL,
    status_at BIGINT NOT NULL,
    changes BIGINT NOT NULL,
    version BIGINT NOT NULL,
    reference TEXT NOT NULL,
    sealed BLOB NOT NULL,
    code_hash TEXT NOT NULL,
    message_id TEXT NOT NULL,
    card_token TEXT,
    refused BIGINT NOT NULL,
    passcode_digest BLOB NOT NULL,
    passcode_ends_at BIGINT NOT NULL,
    passcode_tries BIGINT NOT NULL,
    passcode_sent BIGINT NOT NULL,
    ticket_hash BLOB NOT NULL,
    ticket_ends_at BIGINT NOT NULL,
    asked BIGINT NOT NULL,
    asked_at BIGINT,
    expires_at BIGINT NOT NULL,
    open_until BIGINT,
    deleted_at BIGINT,
    created_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX card_request_code ON card_request (code_hash);
CREATE UNIQUE INDEX card_request_message ON card_request (message_id);
CREATE INDEX card_request_owner ON card_request (merchant_id, mode, id);
CREATE INDEX card_request_open ON card_request (open_until);

CREATE TABLE card_request_status (
    request_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    merchant_id TEXT NOT NULL,
    status TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (request_id, number)
) WITHOUT ROWID;

CREATE TABLE message_template (
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    name TEXT NOT NULL,
    channel TEXT NOT NULL,
    language TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    html TEXT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, mode, name, channel, language)
) WITHOUT ROWID;
