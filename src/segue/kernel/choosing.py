"""Which of its admitted options a `choose` takes: how each comes by its odds.

Rule 1: a rule sees only options that the guardrails admit now, and gives odds in parts per
    million to each of them. The draw itself is `chance`'s, and the odds go into the trace, so
    that another rule can be judged on the log before it is in force.
Rule 2: a rule is linked from the plan and looks at nothing but its arguments, so a replay
    takes what was taken. A learned rule is an artefact of the program like any model, and
    stands beside `ByValue` behind the same role.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from segue.kernel import plan
from segue.kernel.chance import PPM
from segue.kernel.scene import Scene


class Rated(NamedTuple):
    """An option that may be taken now, and what the author's `value` says it is worth."""

    name: str
    value: float


class ChoiceRule(Protocol):
    """Gives odds to options."""

    def odds(self, options: Sequence[Rated], scene: Scene, /) -> dict[str, int]:
        """The odds of each in ppm, 1,000,000 together; `options` is not empty."""
        ...


class ByValue:
    """The most valuable, of equals the first written; any of them with the chance `explore`."""

    def __init__(self, explore: int) -> None:
        self.explore = explore

    def odds(self, options: Sequence[Rated], _scene: Scene, /) -> dict[str, int]:
        each = self.explore // len(options)
        ranked = sorted(options, key=lambda option: -option.value)
        odds = {option.name: each for option in ranked}
        odds[ranked[0].name] += PPM - each * len(options)
        return odds


def link(node: plan.Choose) -> ChoiceRule:
    """The rule that a step asks for."""
    return ByValue(node.explore)
