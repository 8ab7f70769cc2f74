-- The schema, version 5. A new file is made from this; older ones come here by `migrations`.
--
-- Every table of profiles has the profile's slot first in its key, so that spreading the
-- tables over machines is a move of rows. Tables that keep an order (events, traces, outbox,
-- kept) have that order as SQLite's own row number, which appends at the end of the file and
-- survives VACUUM; their slot key stands beside it as a unique index. Rows are added, moved
-- to an heir and updated; nothing is deleted but what a merge replaces.
-- 9007199254740991 is NEVER: the instant that does not come.

-- What has been applied to this file: `pre` changes let the release before run on, `post`
-- changes end that.
CREATE TABLE schema_version (
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (version, kind)
) WITHOUT ROWID;

-- One live state per customer. `pins` counts the live runs per program (JSON, empty for none).
CREATE TABLE profiles (
    slot INTEGER NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    wake_at INTEGER NOT NULL,
    program TEXT NOT NULL,
    pins TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (slot, id)
);
CREATE INDEX profiles_by_id ON profiles (id);
CREATE INDEX profiles_due ON profiles (wake_at, id) WHERE wake_at < 9007199254740991;
CREATE INDEX profiles_pinned ON profiles (pins) WHERE pins <> '';

-- Absorbed profiles and who lives on.
CREATE TABLE heirs (
    slot INTEGER NOT NULL,
    profile TEXT NOT NULL,
    heir TEXT NOT NULL,
    PRIMARY KEY (slot, profile)
) WITHOUT ROWID;
CREATE INDEX heirs_by_heir ON heirs (heir);

-- What names a customer. The slot is the identifier's own.
CREATE TABLE links (
    slot INTEGER NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    profile TEXT NOT NULL,
    PRIMARY KEY (slot, kind, value)
) WITHOUT ROWID;
CREATE INDEX links_by_profile ON links (profile);

-- The event log. An accepted id counts once, whoever it went to; emitted ids are derived.
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY,
    slot INTEGER NOT NULL,
    profile TEXT NOT NULL,
    arrived_at INTEGER NOT NULL,
    id TEXT NOT NULL,
    emitted INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE UNIQUE INDEX events_of_profile ON events (slot, profile, sequence);
CREATE UNIQUE INDEX events_accepted ON events (id) WHERE emitted = 0;

-- Why: the notes that each input left.
CREATE TABLE traces (
    sequence INTEGER PRIMARY KEY,
    slot INTEGER NOT NULL,
    profile TEXT NOT NULL,
    at INTEGER NOT NULL,
    cause TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE UNIQUE INDEX traces_of_profile ON traces (slot, profile, sequence);

-- Effects that are carried out away from the commit. `told`: see stores/outbox.py.
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY,
    slot INTEGER NOT NULL,
    profile TEXT NOT NULL,
    id TEXT NOT NULL,
    channel TEXT NOT NULL,
    state TEXT NOT NULL,
    queued_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    claimed_by TEXT NOT NULL DEFAULT '',
    claimed_at INTEGER,
    settled_at INTEGER,
    detail TEXT NOT NULL DEFAULT '',
    provider_id TEXT NOT NULL DEFAULT '',
    body BLOB NOT NULL,
    told INTEGER NOT NULL DEFAULT 0,
    address TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX outbox_of_profile ON outbox (slot, profile, id);
CREATE INDEX outbox_queued ON outbox (due_at, number, channel) WHERE state = 'queued';
CREATE INDEX outbox_claimed ON outbox (number, claimed_by) WHERE state = 'claimed';
CREATE INDEX outbox_dead ON outbox (id) WHERE state = 'dead';
CREATE INDEX outbox_unknown ON outbox (number) WHERE state = 'unknown';
CREATE INDEX outbox_untold ON outbox (slot, profile) WHERE told = 1;
CREATE INDEX outbox_named ON outbox (provider_id, number) WHERE provider_id <> '';
CREATE INDEX outbox_reached ON outbox (address, channel, profile) WHERE address <> '';

-- Codes of coupon pools. `source` is the send or showing that has the code; empty while it is
-- free. The slot is the code's own.
CREATE TABLE coupons (
    number INTEGER PRIMARY KEY,
    slot INTEGER NOT NULL,
    pool TEXT NOT NULL,
    code TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    source TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX coupons_of_pool ON coupons (slot, pool, code);
CREATE INDEX coupons_free ON coupons (pool, number) WHERE source = '';

-- What is sold, or whatever else a catalog holds, as it is now. Items belong to no profile, so
-- to no slot.
CREATE TABLE items (
    catalog TEXT NOT NULL,
    id TEXT NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (catalog, id)
);

-- What items became, in order; no body where one is gone. What it was is its line before.
CREATE TABLE item_log (
    number INTEGER PRIMARY KEY,
    catalog TEXT NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    body BLOB
);
CREATE INDEX item_log_of_item ON item_log (catalog, id, number);

-- Who did what with an item, first and last. `told` is the last change of the item that the
-- profile was told of.
CREATE TABLE interests (
    slot INTEGER NOT NULL,
    profile TEXT NOT NULL,
    catalog TEXT NOT NULL,
    item TEXT NOT NULL,
    name TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    at INTEGER NOT NULL,
    told TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (slot, profile, catalog, item, name)
) WITHOUT ROWID;
CREATE INDEX interests_of_item ON interests (catalog, item, profile);

-- Compiled programs by hash; the one with the highest turn was published last.
CREATE TABLE programs (
    name TEXT PRIMARY KEY,
    saved_at INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    plan BLOB NOT NULL
);

-- Messages of the sandbox channel.
CREATE TABLE kept (
    number INTEGER PRIMARY KEY,
    slot INTEGER NOT NULL,
    profile TEXT NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    channel TEXT NOT NULL,
    address TEXT NOT NULL,
    message TEXT NOT NULL,
    fields BLOB NOT NULL,
    simulated INTEGER NOT NULL
);
CREATE UNIQUE INDEX kept_of_profile ON kept (slot, profile, id);

-- Bad inputs with their reasons. They belong to no profile, so to no slot.
CREATE TABLE aside (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    source TEXT NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    body BLOB NOT NULL
);

-- Named values.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
