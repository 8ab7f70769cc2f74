"""The working memory of one `step`: what has been decided so far in this input.

Rule: a turn lives for one input of one profile. The folds (session, features, segments,
journeys, ledger) write their changes to the profile and their effects and notes here.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from segue.kernel.effects import CouponMove, Effect, Emit
from segue.kernel.inputs import Event
from segue.kernel.limits import EMITTED_PER_INPUT_MAX
from segue.kernel.profile import Profile, Run
from segue.kernel.program import Program
from segue.kernel.scene import Scene
from segue.kernel.shelves import EMPTY, Catalog
from segue.kernel.trace import Note, Remarked
from segue.kernel.values import NEVER, Instant, Record


class Turn:
    """One input being answered."""

    __slots__ = (
        "asking",
        "coupons",
        "dirty",
        "effects",
        "emitted",
        "event",
        "moves",
        "notes",
        "now",
        "pending",
        "profile",
        "program",
        "scene",
        "touched",
    )

    def __init__(
        self,
        program: Program,
        profile: Profile,
        now: Instant,
        coupons: Mapping[str, Sequence[str]] | None = None,
        catalog: Catalog = EMPTY,
    ) -> None:
        self.program = program
        self.profile = profile
        self.now = now
        self.scene = Scene(profile, now, program.zone_of(profile.zone))
        self.scene.catalog = catalog
        self.event: Event | None = None
        self.dirty = 0
        """Bits of what has changed since the conditions were last asked."""
        self.asking = 0
        """Bits of what is being answered: the runs that read one of them are asked."""
        self.touched = 0
        """Bits of what has changed in the whole turn."""
        self.effects: list[Effect] = []
        self.notes: list[Note] = []
        self.pending: deque[Event] = deque()
        """Events that Segue made happen and that are still to be answered."""
        self.emitted = 0
        self.coupons = coupons
        """Free codes by pool, in the order to hand them out; None where codes are made up."""
        self.moves: list[CouponMove] = []

    def about(self, event: Event | None) -> None:
        """Let conditions see this event."""
        self.event = event
        self.scene.event = event
        self.scene.context = event.context if event is not None else {}

    def for_run(self, run: Run) -> Scene:
        """The scene as a run sees it."""
        self.scene.entry = run.entry
        self.scene.vars = run.vars
        return self.scene

    def for_profile(self) -> Scene:
        """The scene without a run."""
        scene = self.scene
        if scene.entry or scene.vars:
            scene.entry = {}
            scene.vars = {}
        return scene

    def fresh(self) -> Scene:
        """The scene with nothing gathered in `until` yet."""
        self.scene.until = NEVER
        return self.scene

    def emit(self, event_id: str, name: str, properties: Record, at: Instant) -> None:
        """Make an event happen: the log keeps it, and this turn answers it."""
        if self.emitted >= EMITTED_PER_INPUT_MAX:
            self.notes.append(Remarked(what="emitted_max", detail={"event": name}))
            return
        self.emitted += 1
        event = Event(
            id=event_id,
            name=name,
            at=at,
            properties=properties,
            source="segue",
            live=False,
            emitted=True,
        )
        self.effects.append(Emit(event=event))
        self.pending.append(event)
