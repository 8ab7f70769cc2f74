"""Every bound of tests written with `segue.testing`."""

DRAWS_MAX = 100_000
"""Ids tried for one on which the draws fall as a test wants them; beyond, it is told."""

WHY_LINES_MAX = 60
"""Lines of a customer's timeline shown when an expectation fails; earlier ones are counted."""
