-- A receipt may name a send only as its provider does, and an answer by text only the number
-- that it comes from. The release before can still write: its rows have no address, so what
-- it sent is found by the provider's name alone.
ALTER TABLE outbox ADD COLUMN address TEXT NOT NULL DEFAULT '';
CREATE INDEX outbox_named ON outbox (provider_id, number) WHERE provider_id <> '';
CREATE INDEX outbox_reached ON outbox (address, channel, profile) WHERE address <> '';
