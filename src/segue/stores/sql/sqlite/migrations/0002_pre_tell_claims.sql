-- Claims get a mark that says whether the profile was told; `load` no longer looks through
-- all claimed rows of a profile. The release before can still write: its rows start untold.
ALTER TABLE outbox ADD COLUMN told INTEGER NOT NULL DEFAULT 0;

-- What was taken before anyone kept the mark is told once more, which changes nothing if it
-- is known; what no ledger keeps a line of needs no telling.
UPDATE outbox SET told = 1 WHERE state IN ('claimed', 'done', 'dead', 'unknown');
UPDATE outbox SET told = 3 WHERE channel IN ('ads', 'webhook', 'task');
CREATE INDEX outbox_untold ON outbox (slot, profile) WHERE told = 1;

-- Wake-ups are found with their profiles, without a look at the rows.
CREATE INDEX profiles_due ON profiles (wake_at, id) WHERE wake_at < 9007199254740991;
