"""Every bound of the connectors, and what happens at it.

The first four are the Segment spec's own; the others keep one message from costing more than
its share. A message beyond a bound is set aside with its reason and harms no other.
"""

MESSAGE_BYTES_MAX = 32 * 1024
"""One message as JSON; refused `too_large`."""

BATCH_BYTES_MAX = 512_000
"""One request's body, before and after decompression; refused with HTTP 413."""

BATCH_MESSAGES_MAX = 2_500
"""Messages in one batch; refused with HTTP 413."""

ID_CHARS_MAX = 255
"""`userId`, `anonymousId`, `previousId`, `groupId`, `messageId`; refused `id_too_long`.

The spec says 100 for `messageId` only; clients of others run a little longer.
"""

NAME_CHARS_MAX = 255
"""An event's name; refused `name_too_long`."""

NESTING_MAX = 32
"""Levels of objects and lists in one message; refused `too_deep`."""

DIGITS_MAX = 18
"""Digits of a whole number: what every reader down the line keeps; refused `number_range`."""

SUBSCRIPTIONS_MAX = 50
"""Consents read from one message; later ones are left out."""

SET_ASIDE_BYTES_MAX = 8 * 1024
"""Bytes kept of a message that was set aside."""

# ── files ───────────────────────────────────────────────────────────────────────────

CELLS_REMEMBERED_MAX = 4_096
"""Different texts of a column of which is remembered what they were read as; the least
recently used goes first."""

LINE_BYTES_MAX = 4_000_000
"""One line of a file; a longer one is rejected and skipped."""

PARQUET_ROWS_AT_ONCE_MAX = 1_000
"""Rows of a Parquet file that are held at once."""

PARQUET_AHEAD_MAX = "64KB"
"""How far DuckDB reads ahead: what lies there is lost where a file is damaged."""

PARQUET_MEMORY_MAX = "256MB"
"""What DuckDB may take while it reads one, in its own way of saying it."""

RECORD_LINES_MAX = 200
"""Lines of one CSV record (line breaks inside quotes); beyond, its quote was never closed."""

REJECTIONS_MAX = 1_000
"""Rejected rows kept with line and reason; all are counted, and given to `on_rejection`."""

EXCERPT_CHARS_MAX = 200
"""How much of a rejected row is shown."""

SORT_EVENTS_MAX = 100_000
"""Events sorted in memory; beyond, sorted runs are spilled to a temporary file and merged."""

GROUPS_OPEN_MAX = 10_000
"""Groups of rows open at once; beyond, the oldest is closed early."""

GROUPS_CLOSED_MAX = 100_000
"""Closed groups remembered, so that a row which comes back late is rejected by name."""

IDENTIFIED_MAX = 1_000_000
"""Customers whose traits were told already; beyond, the oldest may be told again."""

EXACT_MAX = 1 << 53
"""A cell's number; rejected beyond, where readers of JSON no longer agree what it is."""

INSTANT_MIN = 0
"""Before 1970 a time in a file is a mistake."""

INSTANT_MAX = 4_102_444_800_000
"""From 2100 on, too."""

# ── webhooks ────────────────────────────────────────────────────────────────────────

WEBHOOK_BYTES_MAX = 2_000_000
"""A provider's delivery; a larger one is refused with HTTP 413. Shopify's largest orders fit."""

PRODUCTS_MAX = 100
"""Products listed in an event; the total still counts all."""

CHANGES_MAX = 100
"""Changes in one delivery of HubSpot, by its own word; more are refused."""

# ── catalogs ────────────────────────────────────────────────────────────────────────

ITEM_BYTES_MAX = 64 * 1024
"""One item as JSON; refused `too_large`. The whole catalog lies in a host's memory."""

CATALOG_CHARS_MAX = 64
"""A catalog's name."""

ITEMS_AT_ONCE_MAX = 1_000
"""Items read from a file before they are put into the store together."""
