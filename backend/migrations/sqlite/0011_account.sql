ALTER TABLE api_key ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN salt BLOB NOT NULL DEFAULT x'';
ALTER TABLE api_key ADD COLUMN kdf TEXT NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN expires_at BIGINT;
ALTER TABLE api_key ADD COLUMN used_at BIGINT;
CREATE INDEX api_key_owner ON api_key (merchant_id, id);
-- Credentials that may do all that there was may do what came since.
UPDATE api_key SET scopes = scopes || ' proxy request invoice gateway admin'
    WHERE scopes LIKE '%capture:create form:write card:write card:read events%' AND scopes NOT LIKE '%admin%';

CREATE TABLE api_calls (
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    month TEXT NOT NULL,
    calls BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, mode, month)
) WITHOUT ROWID;

CREATE TABLE idempotent_call (
    id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    answer BLOB,
    lease_ends_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX idempotent_call_expiry ON idempotent_call (expires_at);
