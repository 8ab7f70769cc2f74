-- The catalog, its log, and who is interested in what. The release before fills none of it.
CREATE TABLE items (
    catalog TEXT NOT NULL,
    id TEXT NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (catalog, id)
);
CREATE TABLE item_log (
    number INTEGER PRIMARY KEY,
    catalog TEXT NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    body BLOB
);
CREATE INDEX item_log_of_item ON item_log (catalog, id, number);
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
