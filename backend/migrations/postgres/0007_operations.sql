CREATE TABLE operation (
    id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    owner TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    parent_id TEXT,
    card_id TEXT,
    gateway TEXT NOT NULL,
    minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    state TEXT NOT NULL,
    answer TEXT NOT NULL,
    version BIGINT NOT NULL,
    inquire_at BIGINT NOT NULL,
    called_at BIGINT,
    created_at BIGINT NOT NULL,
    settled_at BIGINT
);
CREATE INDEX operation_owner ON operation (merchant_id, owner, owner_id);
CREATE INDEX operation_open ON operation (inquire_at) WHERE settled_at IS NULL;

CREATE TABLE sandbox_ledger (
    operation_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    original_id TEXT,
    minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    taken BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    voided BIGINT NOT NULL,
    answer TEXT NOT NULL,
    follows TEXT NOT NULL,
    follows_at BIGINT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
