CREATE INDEX card_request_ended ON card_request (status_at) WHERE open_until IS NULL;
