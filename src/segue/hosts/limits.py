"""Every bound of the hosts, and what happens at it."""

QUEUE_MAX = 20_000
"""Arrivals waiting; a submission beyond is refused whole with `QueueFull` (HTTP 429)."""

BATCH_SIZE_MAX = 512
"""Arrivals in one commit; the rest takes the next. Alternatives: 100 (more fsyncs per event
under load), 2,000 (a question then waits 0.2 s behind an import)."""

PROMPT_SIZE_MAX = 50
"""Submissions up to this size take the prompt lane; larger ones are imports."""

BULK_SHARE_MAX = 128
"""Arrivals of imports in a batch that also has prompt ones, so that nobody waits for them."""

BETWEEN_QUESTIONS_MIN = 16
"""Other arrivals that are answered between two batches of questions, if they wait.
Alternatives: none (a site that asks all the time would starve its events), 64 (10 ms more)."""

BATCH_BRISK_MAX = 32
"""Arrivals, and wake-ups, in a batch while questions come: the next one waits until it has
been read and saved. Alternatives: 64 (a quarter longer), 16 (twice as many commits)."""

BRISK_MS = 1_000
"""How long after a question batches stay short."""

OVERTAKEN_MAX = 5_000
"""Arrivals among which a question's own customer is looked for; of a longer queue, the rest is
overtaken unseen."""

WAKES_PER_BATCH_MAX = 256
"""Wake-ups in one commit; arrivals and wake-ups share every batch, so neither starves."""

WAKES_PER_INPUT_MAX = 64
"""Wake-ups of one profile that are answered before one input; beyond, they wait a moment."""

STUCK_WAKE_MS = 60_000
"""How long a profile sleeps whose wake-up could not be answered (a programmer error)."""

PROFILES_CACHED_MAX = 10_000
"""Decoded profiles kept by the embedded host; the least recently used goes first."""

COMMIT_TRIES_MAX = 3
"""How often a batch is answered afresh because someone else saved one of its profiles."""

SWEEP_SIZE_MAX = 64
"""Profiles that adopt a new program in one background commit."""

FACTS_MAX = 1_000
"""Commits waiting for slow listeners; the oldest is dropped and counted."""

CLAIM_SIZE_MAX = 50
"""Sends that one worker takes at once; few, so that what becomes stale is still queued."""

ATTEMPTS_MAX = 16
"""Tries of one send; then it is a dead letter."""

RETRY_FIRST_MS = 2_000
"""Wait after the first failure; it doubles with each further one."""

FALLBACK_AFTER_MS = 10 * 60_000
"""How long a send waits for its provider while another channel of its step is left; then that
one is used. Less where the channel says that the provider is down."""

RETRY_LONGEST_MS = 30 * 60_000
"""Longest wait between two tries, also when the provider asks for more."""

DELIVERY_MS_MAX = 60_000
"""A courier that has not answered by then is given up: what it held is *unknown*."""

HUNG_WORKERS_MAX = 3
"""Given-up workers per channel group; beyond, the group rests until one comes back."""

OUTBOX_LOOK_MS = 5_000
"""How often the outbox is looked at without a reason, for rows that another process queued."""

UNAVAILABLE_PAUSE_MS = 200
"""Pause before the store is tried again after it could not save."""

STOP_MS_MAX = 10_000
"""How long `stop` waits for the queue to drain and for couriers to come back."""

ZONES_MAX = 2_000
"""Zone names remembered, unknown ones included (the database has about 600); beyond, the
unknown ones are forgotten and looked for again when they come."""

COUPONS_PER_STEP_MAX = 64
"""Codes of a pool that one input may hand out; a message beyond waits with `no_coupon`."""

COUPONS_READ_MAX = 256
"""Free codes of a pool read at a time; a batch that hands out more reads on."""

PROFILES_PER_LOOK_MAX = 500
"""Profiles read at once where everyone is looked at: before publishing, and to carry runs over."""

ITEM_LOOK_MS = 1_000
"""How often the item log is looked at without a reason, for what another process put."""

ITEM_LINES_READ_MAX = 2_000
"""Lines of the item log, or items, read at once."""

ITEM_LINES_PER_LOOK_MAX = 500
"""Changes of items that one batch looks at, for whom they concern; the rest takes the next."""

TELLINGS_PER_BATCH_MAX = 128
"""Profiles that one batch tells of a change of an item, beside its arrivals and wake-ups."""

ITEMS_PER_PUT_MAX = 1_000
"""Items changed in one transaction, so that nobody waits long for the store."""

DEAD_LOOKED_MAX = 100_000
"""Dead letters among which those that are to be retried are looked for."""

SENDS_LOOKED_MAX = 1_000
"""A customer's rows of the outbox, among which another send of the same proposal is looked for."""

INTERESTS_MAX = 1_000
"""Interests in items that a customer keeps, the newest; of older ones no change is told."""

INTERESTS_SLACK_MS = 86_400_000
"""For how long after its time an interest stays: for changes that another process put."""

INTERESTS_LOOK_MS = 1_000
"""How often a page of customers is looked at for interests that nothing asks for any more."""

INTERESTS_PROFILES_MAX = 200
"""Customers of one such page, so that nobody waits long for the store."""

INTERESTS_REST_MS = 6 * 3_600_000
"""How long it rests once everyone was looked at."""
