"""Every bound of replays and simulations, and what happens at it."""

ARRIVALS_TOGETHER_MAX = 256
"""Arrivals of one instant in one commit; more are fed in several, in their order."""

REFUSALS_KEPT_MAX = 100
"""Refused lines that a report shows; the others are counted."""

PROFILES_PER_LOOK_MAX = 500
"""Profiles read from the store at once while a report is counted."""

TRACE_LINES_MAX = 1_000_000
"""Trace lines of one profile that a report counts; older ones are left out."""

SESSION_EVENTS_MAX = 300
"""Events of one simulated session; real ones have a long tail, this cuts it."""

SESSION_GAP_MAX_MS = 29 * 60_000
"""Between two events of a session; half an hour of silence would end it."""

EVENTS_PER_SHARD = 10_000
"""Events of one shard of a backtest, on average; memory holds one shard for each worker.
Alternatives: 1,000 (a program is linked anew for each), 100,000 (one core idles at the end)."""

SHARDS_MAX = 1_024
"""Shards of one backtest; beyond, each holds more."""

SHARDS_AT_LEAST = 8
"""Shards of a log that is large enough to be worth several cores."""

SHARD_EVENTS_MIN = 1_000
"""A log of fewer events for each shard is cut into fewer."""

SHARD_FILES_OPEN_MAX = 128
"""Shards written at once; more take several passes over the spilled log."""

TICK_EVENTS = 250
"""Events after which a worker says how far it is."""

BUCKETS_MAX = 120
"""Columns of a report's chart over time; the span of a column is chosen by it."""

BUCKETS_IN_ALL_MAX = 5_000
"""Spans of time that a report counts apart, those after the log included."""

WITNESSES_MAX = 2
"""Customers named for each thing that a report counts."""

STORIES_MAX = 60
"""Customers whose whole story a report tells; `--decisions` writes everybody's."""

STORY_MOMENTS_MAX = 80
"""Moments of one told story; the first of them."""

DIFFERENCES_MAX = 500
"""Customers for whom two programs differ that a report lists; the others are counted."""

ASIDE_MAX = 200
"""Lines set aside that a report lists, with places and reasons; the others are counted."""

PRESSURE_MAX = 10
"""Messages of one customer told apart in a report; beyond, it says "and more"."""

RECOVERIES_MAX = 12
"""Times that a simulated host may die while it comes up; a world with more is a bug."""

SENT_AGAIN_MAX = 40
"""Times that a simulated client sends a request again; a host that never answers is a bug."""

SHRINK_ROUNDS_MAX = 4
"""Times that a failing world is gone through again, while it gets smaller."""

SHRINK_TRIES_MAX = 600
"""Smaller worlds that are tried; after them the smallest so far is told."""

ONLOOKERS_MAX = 5_000
"""Simulated shoppers who have something on their page; the earliest are forgotten."""

VISIT_DEEDS_MAX = 8
"""Deeds of one simulated visit, in worlds that are audited."""
