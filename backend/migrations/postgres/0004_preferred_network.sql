-- The brand that the holder of a co-badged card chose for payments.
ALTER TABLE card ADD COLUMN network TEXT;
