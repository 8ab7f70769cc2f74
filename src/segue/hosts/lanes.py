"""What waits to be answered, and what is taken next.

    questions ─► first, with what their own customers have waiting, and nobody else
    prompt    ─► then, in order of arrival
    imports   ─► what the others leave

Rule 1: somebody waits for a question's answer and a page stands still, so it overtakes the
    events of others. What its own customer sent before it is taken before it: a page is
    answered by one who knows what the page has just told.
Rule 2: a question doesn't wait for the batch before it either: that one is `cut` where it
    stands, saved, and what it had left is put `back`, to where it was.
Rule 3: nobody is starved: after a batch of questions others get their turn, and that batch
    isn't cut before it has answered `BETWEEN_QUESTIONS_MIN`.
Rule 4: what a batch has begun with can't be cut: reading all that it needs, and its commit.
    So while questions come, and for a while after, batches are short: `BATCH_BRISK_MAX`.

Not safe for threads by itself: the loop holds its lock.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from segue.hosts.arrivals import Arrival
from segue.hosts.limits import (
    BATCH_BRISK_MAX,
    BETWEEN_QUESTIONS_MIN,
    BRISK_MS,
    BULK_SHARE_MAX,
    OVERTAKEN_MAX,
    PROMPT_SIZE_MAX,
)
from segue.kernel.inputs import Asked, Event
from segue.kernel.values import Instant


class HasArrival(Protocol):
    """Whatever waits: an arrival, and what its owner keeps beside it."""

    @property
    def arrival(self) -> Arrival:
        """What came in."""
        ...


W = TypeVar("W", bound=HasArrival)


class Lanes(Generic[W]):
    """The queue of a host."""

    def __init__(self, batch_size_max: int) -> None:
        self._batch_size_max = batch_size_max
        self._questions: deque[W] = deque()
        self._prompt: deque[W] = deque()
        self._bulk: deque[W] = deque()
        self._brisk_until = Instant(0)
        self._owed = 0
        """Others that are to be answered before the next questions."""
        self._uncut = 0
        """How many of the batch that was taken last have to be answered in it."""
        self.asking = False
        """Whether the batch that was taken last has questions that overtook others."""
        self._of_bulk = 0
        """How many of that batch, at its end, came from the lane of imports."""

    def __len__(self) -> int:
        return len(self._questions) + len(self._prompt) + len(self._bulk)

    def put(self, submission: Sequence[W], now: Instant) -> None:
        """Queue what was submitted together; it stays in order."""
        if len(submission) > PROMPT_SIZE_MAX:
            self._bulk.extend(submission)
        elif all(isinstance(one.arrival.input, Asked) for one in submission):
            self._questions.extend(submission)
            self._brisk_until = Instant(now + BRISK_MS)
        else:
            self._prompt.extend(submission)

    def brisk(self, now: Instant) -> bool:
        """Whether batches should be short, for a question may come any moment."""
        return now < self._brisk_until

    def take(self, now: Instant) -> list[W]:
        """The next batch."""
        self._of_bulk = 0
        if self._questions and not (self._owed and (self._prompt or self._bulk)):
            taken = self._take_questions()
            self._uncut = len(taken)
            self.asking = True
            return taken
        self.asking = False
        size = min(BATCH_BRISK_MAX, self._batch_size_max) if self.brisk(now) else None
        taken = self._fill(size or self._batch_size_max)
        self._uncut, self._owed = self._owed, 0
        return taken

    def cut(self, answered: int) -> bool:
        """Whether the batch that was taken last is to end here, so many being answered."""
        return bool(self._questions) and answered >= self._uncut

    def back(self, left: Sequence[W]) -> None:
        """Put back what was taken last and not answered, in front of what has come since."""
        prompt = len(left) - min(len(left), self._of_bulk)
        self._prompt.extendleft(reversed(left[:prompt]))
        self._bulk.extendleft(reversed(left[prompt:]))

    def clear(self) -> list[W]:
        """Everything that waits; nothing does any more."""
        waiting = [*self._questions, *self._prompt, *self._bulk]
        for lane in (self._questions, self._prompt, self._bulk):
            lane.clear()
        return waiting

    def _take_questions(self) -> list[W]:
        asked = [
            self._questions.popleft()
            for _ in range(min(len(self._questions), self._batch_size_max))
        ]
        own = self._own(asked)
        if len(own) + len(asked) > self._batch_size_max:
            self._questions.extendleft(reversed(asked))
            return own
        self._owed = BETWEEN_QUESTIONS_MIN
        return own + asked

    def _own(self, asked: Iterable[W]) -> list[W]:
        """What those who ask have waiting, in order, out of the prompt lane."""
        if not self._prompt:
            return []
        names = {name for one in asked for name in _whose(one.arrival)}
        passed: list[W] = []
        own: list[W] = []
        while self._prompt and len(passed) < OVERTAKEN_MAX and len(own) < self._batch_size_max:
            one = self._prompt.popleft()
            (passed if names.isdisjoint(_whose(one.arrival)) else own).append(one)
        self._prompt.extendleft(reversed(passed))
        return own

    def _fill(self, size: int) -> list[W]:
        """Prompt arrivals up to a size, and of imports what is left of it or their share."""
        taken: list[W] = []
        while self._prompt and len(taken) < size:
            taken.append(self._prompt.popleft())
        if taken:
            size = min(size, len(taken) + BULK_SHARE_MAX)
        prompt = len(taken)
        while self._bulk and len(taken) < size:
            taken.append(self._bulk.popleft())
        self._of_bulk = len(taken) - prompt
        return taken


def _whose(arrival: Arrival) -> list[str]:
    """By what names its customer is known here; kinds of names are kept apart."""
    said = arrival.input
    user, anonymous = arrival.user_id, arrival.anonymous_id
    if isinstance(said, Event):
        user, anonymous = said.user_id, said.anonymous_id
    named = (("p", arrival.profile), ("u", user), ("a", anonymous))
    return [f"{kind}{name}" for kind, name in named if name]
