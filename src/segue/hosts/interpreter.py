"""What a host asks of Python itself: to look for garbage seldom, and to change threads soon.

Facts are trees: they go when the last one who knows them lets go. The collector can't know
that, and looks at every fact that stays, again and again: a fifth of a replay's time, and on
a live host pauses that grow with the profiles it remembers. So it is told to look after
many more new objects than by default. It still looks: what libraries leave in circles goes.

Only one thread runs Python at a time, and who waits for its turn gets it when the other has
had `TURN_S`. A question goes from the server's thread to the loop's and back: by default it
could wait twice as long as answering it may take.

Rule: both hold for the process, so they are only ever made stricter, and by hosts and the
    command line alone: what it imports stays, too.
"""

import gc
import sys

OBJECTS = (20_000, 10, 100)
"""New objects before the young are looked at, such looks before the middle-aged are, and those
before all are. Alternatives: Python's own 700, 10, 10; to turn it off, which trusts every
library; to freeze what exists, which keeps its garbage for ever."""

TURN_S = 0.0005
"""The longest turn of a thread while another waits. Alternatives: Python's own 0.005; 0.0001
(changing threads begins to cost)."""


def look_seldom() -> None:
    """Raise the collector's thresholds; where they are higher already, or off, they stay."""
    young, middle, old = gc.get_threshold()
    if young:
        gc.set_threshold(max(young, OBJECTS[0]), max(middle, OBJECTS[1]), max(old, OBJECTS[2]))


def take_turns() -> None:
    """Let threads change soon; where they change sooner already, that stays."""
    sys.setswitchinterval(min(sys.getswitchinterval(), TURN_S))
