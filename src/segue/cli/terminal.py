"""How commands write to people: as wide as the terminal, and without wrapping into a file."""

import sys

from rich.console import Console

FILE_COLUMNS = 140
"""The width where the output is a file or a pipe."""


def terminal() -> Console:
    """Standard output, for people."""
    width = None if sys.stdout.isatty() else FILE_COLUMNS
    return Console(highlight=False, soft_wrap=True, width=width)
