"""How a long command outlasts a Segue that is busy, restarting, or cut off for a while.

Rule 1: what is tried again is a piece that counts once however often it is sent.
Rule 2: a time that the server names is kept to; else waits double, up to half a minute.
Rule 3: whoever looks on is told that it waits, for what, and how long still.
"""

from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay
from tenacity.wait import wait_exponential

from segue.errors import ComeLater, NotHere

T = TypeVar("T")

WAIT_LONGEST_S = 30.0
"""Between two tries, where the server names no time."""

NAMED_LONGEST_S = 300.0
"""A longer time than this that a server names is taken for a slip: it is asked again then."""

_doubling = wait_exponential(multiplier=1, max=WAIT_LONGEST_S)


def patiently(
    do: Callable[[], T], lasts_s: float, tell: Callable[[str], None], *, begun: bool
) -> T:
    """What `do` gives, tried again for `lasts_s` while Segue is busy.

    Once `begun`, also while nobody answers: before, that is an address that was mistyped.
    `tell` hears of each wait. Raises what the last try did.
    """

    def waits(state: RetryCallState) -> None:
        pause = state.next_action.sleep if state.next_action else 0.0
        cause = "nobody answers" if isinstance(_failure(state), NotHere) else "Segue is busy"
        left = max(0.0, lasts_s - (state.seconds_since_start or 0.0))
        tell(f"{cause}: trying again in {pause:.0f} s, for {left / 60:.0f} min at most")

    return Retrying(
        retry=retry_if_exception_type((ComeLater, NotHere) if begun else ComeLater),
        wait=_pause,
        stop=stop_after_delay(lasts_s),
        before_sleep=waits,
        reraise=True,
    )(do)


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


def _pause(state: RetryCallState) -> float:
    failure = _failure(state)
    named = failure.after_s if isinstance(failure, ComeLater) else 0.0
    return min(named, NAMED_LONGEST_S) if named > 0 else _doubling(state)
