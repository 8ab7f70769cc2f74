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
