-- When the gateway first had not heard of an operation, and when the payer's return was last taken to it.
ALTER TABLE operation ADD COLUMN unheard_at BIGINT;
ALTER TABLE operation ADD COLUMN returned_at BIGINT;
