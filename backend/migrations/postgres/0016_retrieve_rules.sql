-- The operations of the rules that a retrieve endpoint was made with.
ALTER TABLE retrieve_endpoint ADD COLUMN rules TEXT;
