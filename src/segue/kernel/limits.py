"""Every bound of the kernel, and what happens at it.

Chosen so that a profile stays near 2 KB at the median and under `PROFILE_BYTES_MAX` at the
worst; each drop is oldest first and is named in `docs/concepts/semantics.md`.
"""

TRAIL_ENTRIES_MAX = 2_000
"""Events kept per windowed stream; older ones leave the window early."""

DIFFERENT_MAX = 1_000
"""Different values kept per `distinct`; the count stands still there."""

SESSION_PRODUCTS_MAX = 100
"""Different products remembered in a session; later ones count as views only."""

RUNS_MAX = 100
"""Live runs of one profile; an entry beyond is refused with reason `runs_max`."""

KEYS_MAX = 500
"""Journey keys remembered for re-entry; the least recently entered is forgotten."""

OFFERS_MAX = 50
"""Standing offers; the oldest ends with reason `offers_max`."""

LEDGER_MAX = 1_000
"""Lines of the ledger inside its window; the oldest is forgotten."""

GRANTS_MAX = 100
"""Incentives remembered; dead ones are forgotten first."""

BOUGHT_MAX = 200
"""Products bought; the least recently bought is forgotten."""

IDENTITIES_MAX = 50
"""Ids of each kind listed in the profile (the store's links are not bounded)."""

TRAITS_MAX = 500
"""Traits; a new one beyond is refused and named in the trace."""

COUPON_RETRY_MS = 3_600_000
"""How soon a message that finds its coupon pool empty looks again, at the latest."""

STEPS_PER_INPUT_MAX = 200
"""Nodes one run may pass in one input; beyond, the run exits with reason `endless`."""

EMITTED_PER_INPUT_MAX = 50
"""Events that Segue itself makes happen in one input; beyond, they are dropped and traced."""

VALUE_TEXT_MAX = 200
"""Characters of a text kept by `first`, `last` and `distinct`; the rest is cut off."""

NUMBER_MAX = 1e270
"""Numbers larger in size are missing to an aggregate, so that no sum overflows."""

ROUNDS_PER_INPUT_MAX = 50
"""Rounds of settling in one input; beyond, the rest waits for the next input and is traced."""

YEARS_AHEAD_MAX = 8
"""Years in which a yearly date is looked for: a 29th of February comes within eight."""

DAYS_AHEAD_MAX = 62
"""Days in which a day of the month is looked for: the 31st comes within two months."""

DERIVED_MAX = 4_096
"""Ids derived from names that are remembered; forgetting one costs time only."""

REMEMBERED_MAX = 1_024
"""Answers of one kind that a program remembers (`remembered.py`); beyond, all are forgotten:
time only."""

RANKINGS_KEPT_MAX = 256
"""Rankings that a catalog keeps worked out; beyond, all are worked out anew: time only."""

FRESH_ITEMS_MAX = 1_000
"""Changed items that a catalog keeps beside the others; beyond, all are copied: time only."""
