"""How often Python looks for garbage in circles: seldom, for what a host makes has none.

Facts are trees: they go when the last one who knows them lets go. The collector can't know
that, and looks at every fact that stays, again and again: a fifth of a replay's time, and on
a live host pauses that grow with the profiles it remembers. So it is told to look after
many more new objects than by default. It still looks: what libraries leave in circles goes.

Rule: the thresholds hold for the process, so they are only ever raised, and by hosts and the
    command line alone: what it imports stays, too.
"""

import gc

OBJECTS = (20_000, 10, 100)
"""New objects before the young are looked at, such looks before the middle-aged are, and those
before all are. Alternatives: Python's own 700, 10, 10; to turn it off, which trusts every
library; to freeze what exists, which keeps its garbage for ever."""


def look_seldom() -> None:
    """Raise the collector's thresholds; where they are higher already, or off, they stay."""
    young, middle, old = gc.get_threshold()
    if young:
        gc.set_threshold(max(young, OBJECTS[0]), max(middle, OBJECTS[1]), max(old, OBJECTS[2]))
