"""How commands write to people: as wide as the terminal, and without wrapping into a file."""

import shutil
import sys
from pathlib import Path

from rich.console import Console

FILE_COLUMNS = 140
"""The width where the output is a file or a pipe."""


def terminal() -> Console:
    """Standard output, for people."""
    width = None if sys.stdout.isatty() else FILE_COLUMNS
    return Console(highlight=False, soft_wrap=True, width=width)


def own_name() -> str:
    """How whoever called us can call us again: `segue` where the shell finds it, else its path."""
    called = Path(sys.argv[0])
    if called.name != "segue" or shutil.which("segue"):
        return "segue"
    try:
        return str(called.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(called)
