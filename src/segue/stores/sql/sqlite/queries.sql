-- Every statement that the SQLite store runs. Each has a name and says what it is for.

-- name: schema_tables
-- The file's tables: none in a new file, and `schema_version` among ours.
SELECT name FROM sqlite_master WHERE type = 'table';

-- name: schema_applied
-- What has been applied to this file.
SELECT version, kind FROM schema_version;

-- name: schema_apply
-- Remember that a migration was applied.
INSERT INTO schema_version (version, kind) VALUES (?, ?);

-- name: resolve
-- Whom an identifier names.
SELECT profile FROM links WHERE slot = ? AND kind = ? AND value = ?;

-- name: load_profile
-- A profile and its version.
SELECT version, body FROM profiles WHERE slot = ? AND id = ?;

-- name: load_claims
-- Claims that the profile was not told of, oldest row first.
SELECT id FROM outbox WHERE slot = ? AND profile = ? AND told = 1 ORDER BY number;

-- name: heir
-- Who lives on for an absorbed profile.
SELECT heir FROM heirs WHERE slot = ? AND profile = ?;

-- name: seen
-- Whether an event id was accepted, by whichever profile.
SELECT 1 FROM events WHERE id = ? AND emitted = 0;

-- name: insert_profile
-- A new profile; an absorbed id never comes back.
INSERT INTO profiles (slot, id, version, wake_at, program, pins, body)
SELECT ?1, ?2, 1, ?3, ?4, ?5, ?6
WHERE NOT EXISTS (SELECT 1 FROM heirs WHERE slot = ?1 AND profile = ?2);

-- name: update_profile
-- The next version of a profile, if it is still at the version that was seen.
UPDATE profiles SET version = version + 1, wake_at = ?, program = ?, body = ?
WHERE slot = ? AND id = ? AND version = ?;

-- name: update_pins
-- Which programs its live runs are pinned to; touches nothing where that is unchanged.
UPDATE profiles SET pins = ?1 WHERE slot = ?2 AND id = ?3 AND pins <> ?1;

-- name: absorb_profile
-- Take an absorbed profile out, if it is still at the version that was seen.
DELETE FROM profiles WHERE slot = ? AND id = ? AND version = ?;

-- name: version
-- At which version a profile is.
SELECT version FROM profiles WHERE slot = ? AND id = ?;

-- name: move_heirs
-- Those whom the absorbed profile had absorbed now live on in its heir.
UPDATE heirs SET heir = ? WHERE heir = ?;

-- name: insert_heir
-- Remember who lives on.
INSERT INTO heirs (slot, profile, heir) VALUES (?, ?, ?);

-- name: move_links
-- The absorbed profile's identifiers name its heir.
UPDATE links SET profile = ? WHERE profile = ?;

-- name: move_events
-- The absorbed profile's lines of the log go to its heir.
UPDATE events SET slot = ?, profile = ? WHERE slot = ? AND profile = ?;

-- name: move_traces
-- Its traces too.
UPDATE traces SET slot = ?, profile = ? WHERE slot = ? AND profile = ?;

-- name: move_outbox
-- Its sends too, but for one whose id the heir has.
UPDATE OR IGNORE outbox SET slot = ?, profile = ? WHERE slot = ? AND profile = ?;

-- name: drop_outbox
-- What stayed behind is what the heir has already.
DELETE FROM outbox WHERE slot = ? AND profile = ?;

-- name: move_kept
-- Its sandbox messages too.
UPDATE OR IGNORE kept SET slot = ?, profile = ? WHERE slot = ? AND profile = ?;

-- name: drop_kept
-- What stayed behind is what the heir has already.
DELETE FROM kept WHERE slot = ? AND profile = ?;

-- name: move_interests
-- Its interests too: shown first and last by either, told what either was told.
INSERT INTO interests (slot, profile, catalog, item, name, first_at, at, told)
SELECT ?1, ?2, catalog, item, name, first_at, at, told FROM interests
WHERE slot = ?3 AND profile = ?4
ON CONFLICT (slot, profile, catalog, item, name) DO UPDATE SET
first_at = min(first_at, excluded.first_at), at = max(at, excluded.at),
told = max(told, excluded.told);

-- name: drop_interests
-- The heir has them.
DELETE FROM interests WHERE slot = ? AND profile = ?;

-- name: link
-- From now on an identifier names this profile; a link that does already is not rewritten.
INSERT INTO links (slot, kind, value, profile) VALUES (?, ?, ?, ?)
ON CONFLICT (slot, kind, value) DO UPDATE SET profile = excluded.profile
WHERE profile <> excluded.profile;

-- name: insert_event
-- A line of the log; its unique index refuses an id that was accepted before.
INSERT INTO events (slot, profile, arrived_at, id, emitted, body) VALUES (?, ?, ?, ?, ?, ?);

-- name: insert_trace
-- The notes that one input left.
INSERT INTO traces (slot, profile, at, cause, body) VALUES (?, ?, ?, ?, ?);

-- name: tell_claims
-- The profile knows of this claim.
UPDATE outbox SET told = 2 WHERE slot = ? AND profile = ? AND id = ? AND told = 1;

-- name: queue
-- A new row of the outbox; an id that the profile has is left as it is.
INSERT INTO outbox (slot, profile, id, channel, state, queued_at, due_at, told, body, address)
VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?)
ON CONFLICT (slot, profile, id) DO NOTHING;

-- name: untold
-- Whether a send was claimed without its profile knowing.
SELECT state FROM outbox WHERE slot = ? AND profile = ? AND id = ? AND told = 1;

-- name: withdraw
-- Cancel a row that is still in the queue.
UPDATE outbox SET state = 'cancelled', settled_at = ?, detail = ?
WHERE slot = ? AND profile = ? AND id = ? AND state = 'queued';

-- name: insert_aside
-- A bad input, kept with its reason.
INSERT INTO aside (at, source, code, reason, body) VALUES (?, ?, ?, ?, ?);

-- name: set_meta
-- Set a named value.
INSERT INTO meta (name, value) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: due
-- Profiles whose wake-up has come, from the index alone.
SELECT id FROM profiles WHERE wake_at <= ? AND wake_at < 9007199254740991
ORDER BY wake_at, id LIMIT ?;

-- name: next_due
-- The earliest wake-up.
SELECT wake_at FROM profiles WHERE wake_at < 9007199254740991 ORDER BY wake_at LIMIT 1;

-- name: outdated
-- Profiles that have not adopted a program, in order of id.
SELECT id FROM profiles WHERE id > ? AND program <> ? ORDER BY id LIMIT ?;

-- name: profiles
-- Profiles in order of id.
SELECT id, body FROM profiles WHERE id > ? ORDER BY id LIMIT ?;

-- name: history
-- A profile's events in the order of the log.
SELECT sequence, profile, arrived_at, body FROM events
WHERE slot = ? AND profile = ? ORDER BY sequence;

-- name: log
-- Everyone's events in the order of the log.
SELECT sequence, profile, arrived_at, body FROM events
WHERE sequence > ? ORDER BY sequence LIMIT ?;

-- name: traces
-- A profile's newest traces, the newest first.
SELECT sequence, profile, at, cause, body FROM traces
WHERE slot = ? AND profile = ? ORDER BY sequence DESC LIMIT ?;

-- name: claimable
-- Rows that are due, the earliest first; those due at once in the order they were queued.
SELECT number FROM outbox WHERE state = 'queued' AND due_at <= ?
ORDER BY due_at, number LIMIT ?;

-- name: claimable_on
-- The same, on some channels (a JSON list) only.
SELECT number FROM outbox WHERE state = 'queued' AND due_at <= ?
AND channel IN (SELECT value FROM json_each(?))
ORDER BY due_at, number LIMIT ?;

-- name: claim
-- Take a row out of the queue; its profile must be told.
UPDATE outbox SET state = 'claimed', claimed_by = ?, claimed_at = ?, attempts = attempts + 1,
told = max(told, 1) WHERE number = ?;

-- name: row
-- One row of the outbox.
SELECT id, profile, body, state, queued_at, due_at, attempts, claimed_by, claimed_at,
settled_at, detail, provider_id FROM outbox WHERE number = ?;

-- name: settle
-- The last state of a claimed row.
UPDATE outbox SET state = ?, settled_at = ?, detail = ?, provider_id = ?
WHERE slot = ? AND profile = ? AND id = ? AND state = 'claimed';

-- name: settle_again
-- Back to the queue, where it may be withdrawn; its next claim will be told.
UPDATE outbox SET state = 'queued', settled_at = NULL, detail = ?, provider_id = ?, due_at = ?,
told = CASE told WHEN 3 THEN 3 ELSE 0 END
WHERE slot = ? AND profile = ? AND id = ? AND state = 'claimed';

-- name: abandoned
-- Rows claimed by someone else.
SELECT id, profile, body, state, queued_at, due_at, attempts, claimed_by, claimed_at,
settled_at, detail, provider_id FROM outbox
WHERE state = 'claimed' AND claimed_by <> ? ORDER BY number;

-- name: next_queued
-- When the next row falls due.
SELECT due_at FROM outbox WHERE state = 'queued' ORDER BY due_at LIMIT 1;

-- name: outbox
-- Rows in any state or in one, the newest first.
SELECT id, profile, body, state, queued_at, due_at, attempts, claimed_by, claimed_at,
settled_at, detail, provider_id FROM outbox
WHERE ?1 IS NULL OR state = ?1 ORDER BY number DESC LIMIT ?2;

-- name: outbox_queued
-- The same by the index of queued rows, since they may be few among many.
SELECT id, profile, body, state, queued_at, due_at, attempts, claimed_by, claimed_at,
settled_at, detail, provider_id FROM outbox
WHERE state = 'queued' ORDER BY +number DESC LIMIT ?;

-- name: outbox_claimed
-- The same by the index of claimed rows.
SELECT id, profile, body, state, queued_at, due_at, attempts, claimed_by, claimed_at,
settled_at, detail, provider_id FROM outbox
WHERE state = 'claimed' ORDER BY +number DESC LIMIT ?;

-- name: outbox_dead
-- The same by the index of dead rows.
SELECT id, profile, body, state, queued_at, due_at, attempts, claimed_by, claimed_at,
settled_at, detail, provider_id FROM outbox
WHERE state = 'dead' ORDER BY +number DESC LIMIT ?;

-- name: outbox_unknown
-- The same by the index of rows of which nobody knows.
SELECT id, profile, body, state, queued_at, due_at, attempts, claimed_by, claimed_at,
settled_at, detail, provider_id FROM outbox
WHERE state = 'unknown' ORDER BY +number DESC LIMIT ?;

-- name: outbox_of_profile
-- A profile's rows in any state or in one, the newest first.
SELECT id, profile, body, state, queued_at, due_at, attempts, claimed_by, claimed_at,
settled_at, detail, provider_id FROM outbox
WHERE slot = ?1 AND profile = ?2 AND (?3 IS NULL OR state = ?3)
ORDER BY number DESC LIMIT ?4;

-- name: sends_named
-- The sends that a provider knows by this name, the newest first.
SELECT profile, id FROM outbox WHERE provider_id = ? AND provider_id <> ''
ORDER BY number DESC LIMIT 1;

-- name: reached
-- To whom anything was queued for an address.
SELECT DISTINCT profile FROM outbox WHERE address = ? AND channel = ? AND address <> ''
ORDER BY profile;

-- name: retry
-- Queue dead rows again, found by id in the index of the dead.
UPDATE outbox SET state = 'queued', due_at = ?, attempts = 0, settled_at = NULL,
told = CASE told WHEN 3 THEN 3 ELSE 0 END
WHERE state = 'dead' AND id = ?;

-- name: save_program
-- Keep a plan, or only give it the next turn.
INSERT INTO programs (name, saved_at, turn, plan)
VALUES (?, ?, (SELECT coalesce(max(turn), 0) + 1 FROM programs), ?)
ON CONFLICT (name) DO UPDATE SET turn = excluded.turn;

-- name: program
-- A plan by its hash.
SELECT plan FROM programs WHERE name = ?;

-- name: current_program
-- The one published last.
SELECT name FROM programs ORDER BY turn DESC LIMIT 1;

-- name: pinned
-- How many profiles have which pins, from the index alone.
SELECT pins, count(*) FROM profiles WHERE pins <> '' GROUP BY pins;

-- name: keep
-- Keep a sandbox message once.
INSERT INTO kept (slot, profile, id, at, channel, address, message, fields, simulated)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (slot, profile, id) DO NOTHING;

-- name: kept
-- Sandbox messages, the newest first.
SELECT id, profile, at, channel, address, message, fields, simulated FROM kept
ORDER BY number DESC LIMIT ?;

-- name: kept_of_profile
-- One profile's sandbox messages, the newest first.
SELECT id, profile, at, channel, address, message, fields, simulated FROM kept
WHERE slot = ? AND profile = ? ORDER BY number DESC LIMIT ?;

-- name: aside
-- Bad inputs, the newest first.
SELECT number, at, source, code, reason, body FROM aside ORDER BY number DESC LIMIT ?;

-- name: meta
-- A named value.
SELECT value FROM meta WHERE name = ?;

-- name: counts
-- How much there is, in the order of `Counts`. The log and what was set aside lose no rows,
-- so the last number counts them; the others are counted in the narrowest index.
SELECT (SELECT count(*) FROM profiles),
(SELECT coalesce(max(sequence), 0) FROM events),
(SELECT count(*) FROM profiles WHERE wake_at < 9007199254740991),
(SELECT count(*) FROM outbox WHERE state = 'queued'),
(SELECT count(*) FROM outbox WHERE state = 'claimed'),
(SELECT count(*) FROM outbox WHERE state = 'dead'),
(SELECT coalesce(max(number), 0) FROM aside),
(SELECT count(*) FROM kept),
(SELECT count(*) FROM items);

-- name: all_profiles
-- For a snapshot.
SELECT id, version, body FROM profiles ORDER BY id;

-- name: all_heirs
-- For a snapshot.
SELECT profile, heir FROM heirs ORDER BY profile;

-- name: all_links
-- For a snapshot.
SELECT kind, value, profile FROM links ORDER BY kind, value;

-- name: all_events
-- For a snapshot.
SELECT sequence, profile, arrived_at, id, body FROM events ORDER BY sequence;

-- name: all_traces
-- For a snapshot.
SELECT sequence, profile, at, cause, body FROM traces ORDER BY sequence;

-- name: all_outbox
-- For a snapshot.
SELECT id, profile, body, state, queued_at, due_at, attempts, claimed_by, claimed_at,
settled_at, detail, provider_id, channel, told FROM outbox ORDER BY number;

-- name: add_coupon
-- A code that its pool does not know yet.
INSERT INTO coupons (slot, pool, code, added_at) VALUES (?, ?, ?, ?)
ON CONFLICT (slot, pool, code) DO NOTHING;

-- name: free_coupons
-- Codes that nobody has, those added first first.
SELECT code FROM coupons WHERE pool = ? AND source = '' ORDER BY number LIMIT ?;

-- name: coupon_pools
-- How many codes of each pool are free, and how many handed out.
SELECT pool, count(*) FILTER (WHERE source = ''), count(*) FILTER (WHERE source <> '')
FROM coupons GROUP BY pool ORDER BY pool;

-- name: hand_coupon
-- Hand out a code that is free, or that the same source has already.
UPDATE coupons SET source = ?1
WHERE slot = ?2 AND pool = ?3 AND code = ?4 AND source IN ('', ?1);

-- name: return_coupon
-- A code comes back from the source that has it.
UPDATE coupons SET source = ''
WHERE slot = ?2 AND pool = ?3 AND code = ?4 AND source = ?1;

-- name: coupon_source
-- Who has a code.
SELECT source FROM coupons WHERE slot = ? AND pool = ? AND code = ?;

-- name: all_coupons
-- For a snapshot.
SELECT number, pool, code, added_at, source FROM coupons ORDER BY number;

-- name: insert_interest
-- An event names an item; nothing is written where that changes neither end.
INSERT INTO interests (slot, profile, catalog, item, name, first_at, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
ON CONFLICT (slot, profile, catalog, item, name) DO UPDATE SET
first_at = min(first_at, excluded.at), at = max(at, excluded.at)
WHERE first_at > excluded.at OR at < excluded.at;

-- name: tell_interest
-- A profile was told of a change of an item.
UPDATE interests SET told = ?1
WHERE slot = ?2 AND profile = ?3 AND catalog = ?4 AND item = ?5 AND told < ?1;

-- name: interested
-- Whom a change of an item is to be told to; see `Audience`. Names are a JSON list.
SELECT DISTINCT profile FROM interests AS shown
WHERE catalog = ?1 AND item = ?2 AND profile > ?3
AND name IN (SELECT value FROM json_each(?4)) AND at > ?5 AND first_at <= ?6
AND NOT EXISTS (
    SELECT 1 FROM interests AS told
    WHERE told.slot = shown.slot AND told.profile = shown.profile
    AND told.catalog = shown.catalog AND told.item = shown.item AND told.told >= ?7
)
ORDER BY profile LIMIT ?8;

-- name: profiles_with_interests
-- A page of them with how many they have, in the order of the table.
SELECT slot, profile, count(*) FROM interests WHERE (slot, profile) > (?, ?)
GROUP BY slot, profile ORDER BY slot, profile LIMIT ?;

-- name: forget_interests
-- What nothing asks for any more; ?3 is a JSON list of what is asked for: catalog, name, since.
DELETE FROM interests WHERE slot = ?1 AND profile = ?2 AND NOT EXISTS (
    SELECT 1 FROM json_each(?3) AS named
    WHERE named.value ->> 0 = catalog AND named.value ->> 1 = name AND at > named.value ->> 2
);

-- name: older_interests
-- What a profile has beyond its newest.
SELECT slot, profile, catalog, item, name FROM interests WHERE slot = ? AND profile = ?
ORDER BY at DESC, catalog, item, name LIMIT -1 OFFSET ?;

-- name: forget_interest
-- One of them.
DELETE FROM interests WHERE slot = ? AND profile = ? AND catalog = ? AND item = ? AND name = ?;

-- name: item_body
-- An item as it is, to see whether it changes.
SELECT body FROM items WHERE catalog = ? AND id = ?;

-- name: put_item
-- An item becomes this.
INSERT INTO items (catalog, id, number, at, body) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (catalog, id) DO UPDATE SET
number = excluded.number, at = excluded.at, body = excluded.body;

-- name: delete_item
-- An item is gone; its log stays.
DELETE FROM items WHERE catalog = ? AND id = ?;

-- name: insert_item_line
-- What an item became.
INSERT INTO item_log (catalog, id, at, body) VALUES (?, ?, ?, ?);

-- name: item
-- One item.
SELECT catalog, id, number, at, body FROM items WHERE catalog = ? AND id = ?;

-- name: items
-- Items of a catalog in order of id.
SELECT catalog, id, number, at, body FROM items
WHERE catalog = ? AND id > ? ORDER BY id LIMIT ?;

-- name: catalogs
-- How many items each catalog has: from one catalog to the next, each counted along its index.
WITH RECURSIVE named (catalog) AS (
    SELECT min(catalog) FROM items
    UNION ALL
    SELECT (SELECT min(items.catalog) FROM items WHERE items.catalog > named.catalog)
    FROM named WHERE named.catalog IS NOT NULL
)
SELECT catalog, (SELECT count(*) FROM items WHERE items.catalog = named.catalog)
FROM named WHERE catalog IS NOT NULL ORDER BY catalog;

-- name: item_number
-- The last line of the item log.
SELECT coalesce(max(number), 0) FROM item_log;

-- name: item_log
-- Changes of items, each with what the item was before.
SELECT number, at, catalog, id, (
    SELECT body FROM item_log AS older
    WHERE older.catalog = line.catalog AND older.id = line.id AND older.number < line.number
    ORDER BY older.number DESC LIMIT 1
), body FROM item_log AS line WHERE number > ? ORDER BY number LIMIT ?;

-- name: all_items
-- For a snapshot.
SELECT catalog, id, number, at, body FROM items ORDER BY catalog, id;

-- name: all_item_lines
-- For a snapshot.
SELECT number, catalog, id, at, body FROM item_log ORDER BY number;

-- name: all_interests
-- For a snapshot.
SELECT profile, catalog, item, name, first_at, at, told FROM interests
ORDER BY profile, catalog, item, name;

-- name: all_programs
-- For a snapshot.
SELECT name, saved_at, plan, turn = (SELECT max(turn) FROM programs) FROM programs
ORDER BY name;

-- name: all_kept
-- For a snapshot.
SELECT id, profile, at, channel, address, message, fields, simulated FROM kept
ORDER BY number;

-- name: all_aside
-- For a snapshot.
SELECT number, at, source, code, reason, body FROM aside ORDER BY number;

-- name: all_meta
-- For a snapshot.
SELECT name, value FROM meta ORDER BY name;
