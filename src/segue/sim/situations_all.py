"""All situations that a world can draw."""

from collections.abc import Sequence

from segue.sim import situations_acts, situations_clock
from segue.sim.situations import Act, change_after


def acts(start: int) -> Sequence[Act]:
    """Those that fit a world which begins at this instant."""
    clock = situations_clock.ACTS * 2 if change_after(start) else ()
    return (*situations_acts.ACTS, *clock)
