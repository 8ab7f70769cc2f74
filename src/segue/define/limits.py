"""Every bound on what authors write. Beyond each stands a diagnostic, never a crash."""

from segue.kernel.values import DAY

FILES_MAX = 1_000
"""YAML files in one workspace."""

FILE_BYTES_MAX = 512 * 1024
"""Bytes of one file, templates included."""

WORKSPACE_BYTES_MAX = 8 * 1024 * 1024
"""Bytes of all YAML files together."""

DEPTH_MAX = 40
"""Lists and mappings inside each other."""

NODES_MAX = 200_000
"""Keys and values of one file after aliases are followed: what stops an alias bomb."""

DIAGNOSTICS_MAX = 200
"""Diagnostics kept; the rest is counted."""

LISTED_MAX = 12
"""Known words that a hint lists in full; of more it names the nearest one, if any is near."""

NAME_CHARS_MAX = 80
"""Characters of a definition's name or a step's id."""

TEXT_CHARS_MAX = 200
"""Characters of an event's name, a title or a reason."""

STEPS_MAX = 500
"""Steps of one journey, nested ones included."""

WAYS_MAX = 50
"""Ways of a branch, variants of a split, options of a choice."""

EXPRESSION_CHARS_MAX = 4_000
"""Characters of one expression."""

EXPRESSION_NODES_MAX = 300
"""Parts of one expression."""

EXPRESSION_DEPTH_MAX = 30
"""Parts of one expression inside each other."""

AGGREGATES_MAX = 20
"""Folds over history in one expression; each costs memory in every profile."""

WINDOW_MS_MAX = 400 * DAY
"""The longest window: a year, with room to compare it with the one before."""

STAGES_MAX = 8
"""Stages of a sequence; the search grows with each."""

WITHOUT_MAX = 4
"""Events that must not come between the stages of a sequence."""

PATTERN_CHARS_MAX = 500
"""Characters of a regular expression."""

PATTERN_BYTES_MAX = 1 << 20
"""Memory that a compiled regular expression may take."""

SPAN_MS_MAX = 3_660 * DAY
"""The longest wait, expiry or re-entry time: ten years."""

INTEGER_MAX = (1 << 53) - 1
"""The largest whole number in an expression: what every JSON reader keeps exact."""

EXPRESSION_COST_MAX = 500
"""What one expression may cost, in comparisons (`cost.py`): about 50 µs."""

LOOKS_MAX = 2_000
"""Looks at history in one workspace; what they count is kept in every profile concerned."""

WITNESS_STEPS_MAX = 2_500
"""Inputs tried in the search for one witness; beyond, it is said that none was found."""

WITNESS_PAIRS_MAX = 25
"""Pairs of journeys for which a witness is searched; beyond, it is said for each pair."""

WITNESS_MOVES_MAX = 60
"""Different things that a customer may do next in a searched life; the least likely are left."""

WITNESS_REPEATS_MAX = 50
"""How often a customer does one thing in a row in a searched life."""

RANKED_MAX = 100
"""Items that a ranking gives at most for one group."""
