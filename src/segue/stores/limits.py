"""Every bound of the stores, and what happens at it."""

BUSY_MS_MAX = 2_000
"""How long a writer waits for another process's lock; then `StoreUnavailable`.

Longer than any batch of ours takes, and short enough that a page that waits for its
decision is told 503 before its own time-out.
"""

WAL_PAGES_MAX = 4_000
"""Pages in the write-ahead log before SQLite copies them back (16 MB)."""

WAL_BYTES_MAX = 64 << 20
"""What the log's file is cut back to once it is copied; `check` remarks on ten times that."""

CACHE_KIB_MAX = 32_768
"""Page cache of the writer; a reader has a quarter of it."""

READERS_MAX = 8
"""Idle reader connections that are kept; more may be open for as long as they are used."""

FREE_BYTES_MIN = 256 << 20
"""Free disk space below which `check` speaks."""

REMEMBERED_MAX = 16_384
"""Profiles whose slot is remembered: one profile is asked for several times in a batch."""
