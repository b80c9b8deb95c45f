-- The month until which an endpoint's cards have to be valid at least, such as 2031-05.
ALTER TABLE capture_endpoint ADD COLUMN min_expiry TEXT;
-- The identity number of a card's holder, masked; empty for none.
ALTER TABLE card ADD COLUMN owner_id TEXT NOT NULL DEFAULT '';
