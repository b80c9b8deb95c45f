-- An event and its way: one row, changed a few times while it is delivered.
ALTER TABLE outbox_event ADD COLUMN channel TEXT NOT NULL DEFAULT 'webhook';
ALTER TABLE outbox_event ADD COLUMN schedule TEXT NOT NULL DEFAULT 'standard/10';
ALTER TABLE outbox_event ADD COLUMN erases BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox_event ADD COLUMN state BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox_event ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox_event ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox_event ADD COLUMN finished_at BIGINT;
-- What workers look for: small, since it holds only what is still to be sent.
CREATE INDEX outbox_event_due ON outbox_event (due_at) WHERE state < 2;
CREATE INDEX outbox_event_subject ON outbox_event (subject, id);
CREATE INDEX outbox_event_owner ON outbox_event (merchant_id, mode, id);

CREATE TABLE delivery_attempt (
    event_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    number BIGINT NOT NULL,
    status BIGINT,
    result TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (event_id, at)
) WITHOUT ROWID;

CREATE TABLE webhook_secret (
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, mode)
) WITHOUT ROWID;
