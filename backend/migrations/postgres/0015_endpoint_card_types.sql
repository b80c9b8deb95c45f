-- The card types that an endpoint takes, by wire name between spaces; empty for all.
ALTER TABLE capture_endpoint ADD COLUMN card_types TEXT NOT NULL DEFAULT '';
