-- Where a security code may be used and how often, as JSON, and whether its card goes with it. Both go with the code.
ALTER TABLE card_cvv ADD COLUMN destinations TEXT NOT NULL DEFAULT '';
ALTER TABLE card_cvv ADD COLUMN deletes_card BIGINT NOT NULL DEFAULT 0;
