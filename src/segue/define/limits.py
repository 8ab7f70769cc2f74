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
