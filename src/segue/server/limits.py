"""Every bound of the server, and what happens at it.

The bounds of the wire format itself are the connectors': `connectors/limits.py`.
"""

BODY_BYTES_MAX = 512_000
"""A body as it comes and as it unpacks: refused with 413, early if it says its length."""

DRAINED_BYTES_MAX = 2_000_000
"""Bytes of a refused body that are read and dropped, so that the sender can read why."""

ITEMS_BYTES_MAX = 8_000_000
"""A body of catalog items, as it comes and as it unpacks; refused with 413."""

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

FETCH_SECONDS_MAX = 10.0
"""Time to fetch what a provider names; then its callback is answered 503 and comes again."""

FETCHED_BYTES_MAX = 64 * 1024
"""Size of what is fetched; more is no certificate."""

CERTIFICATES_MAX = 50
"""Amazon's certificates kept; beyond, they are fetched each time."""

TOKENS_SEEN_MAX = 200_000
"""Mailgun's tokens remembered; the oldest is forgotten."""

PAGES_MAX = 10_000
"""Open pages that listen for their customer; one more is refused with 429 and polls."""

SIGNALS_PER_PROFILE_MAX = 8
"""Signals kept for a profile's pages; a page that missed more asks afresh."""

SIGNALLED_PROFILES_MAX = 20_000
"""Profiles whose signals are kept; the one heard of longest ago is forgotten."""

SHOWN_REMEMBERED_MAX = 50_000
"""Offers remembered as shown; a page is asked to look again where one is forgotten."""

PAGE_HEARTBEAT_MS = 15_000
"""Silence towards an open page is broken by a comment, and it is looked whose page it is now."""

UNKNOWN_RETRY_MS = 500
"""How soon it is looked again for a customer nobody knows yet; doubles up to the heartbeat."""

SLOW_PAGE_MS = 10_000
"""How long a page may take nothing of what it is sent; then it is let go."""

MOMENT_MS = 3_000
"""What happened so long before a page began to listen may be news to it."""

CURSOR_CHARS_MAX = 64
"""A page's cursor; what is longer is cut, and means nothing."""

SDK_FILES_MAX = 16
"""Files of the browser SDK kept packed; beyond, the one asked for longest ago is read again."""

CHALLENGE_CHARACTERS_MAX = 200
"""What is said back to a provider that asks whether the callback's address is ours."""
