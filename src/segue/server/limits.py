"""Every bound of the server, and what happens at it.

The bounds of the wire format itself are the connectors': `connectors/limits.py`.
"""

BODY_BYTES_MAX = 512_000
"""A body as it comes and as it unpacks: refused with 413, early if it says its length."""

DRAINED_BYTES_MAX = 2_000_000
"""Bytes of a refused body that are read and dropped, so that the sender can read why."""

ASKED_BYTES_MAX = 64 * 1024
"""A question's or report's body; refused with 413."""

BODY_INLINE_BYTES_MAX = 32 * 1024
"""Bodies up to this size are read on the event loop (a millisecond); larger in a thread."""

PLACEMENTS_MAX = 20
"""Placements in one question; refused with 400."""

PLACEMENT_CHARS_MAX = 100
"""A placement's name; refused with 400."""

REFUSALS_TOLD_MAX = 20
"""Refused messages that the answer describes; the others are counted."""

SET_ASIDE_PER_MINUTE_MAX = 5_000
"""Bad inputs kept in a minute; beyond, they are counted only: garbage must not fill a disk."""

WATCHERS_MAX = 50
"""Readers of the live stream; one more is refused with 429."""

WATCHER_QUEUE_MAX = 60
"""Frames that a slow reader may lag behind; then it is let go and comes back by itself."""

FRAME_FACTS_MAX = 120
"""Facts in one frame of the live stream; beyond, they are counted, decisions kept first."""

FRAME_MS = 150
"""How often the live stream sends what has happened."""

HEARTBEAT_MS = 10_000
"""Silence on the live stream is broken by a comment, so that proxies keep it open."""

RECENT_FACTS_MAX = 200
"""Facts that a new reader of the live stream is given at once."""

SIMULATED_PROFILES_MAX = 50_000
"""Profiles remembered as simulated; the oldest is forgotten."""

PAGE_SIZE_MAX = 500
"""Rows in one answer of the admin API."""

TIMELINE_MAX = 500
"""Entries of a profile's timeline in one answer, the newest."""

STORE_THREADS_MAX = 4
"""Threads that read the store for the admin API."""
