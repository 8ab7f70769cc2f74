"""What an expression sees while it is evaluated.

Rule: evaluation never raises and never writes, except to `until`: each part whose answer may
change by time alone lowers it to the earliest such instant. Parts that a short circuit
skipped can't change the answer before an evaluated part does, so `until` stays exact.
"""

from segue.kernel.calendar import Zone
from segue.kernel.inputs import Event
from segue.kernel.profile import Profile
from segue.kernel.shelves import EMPTY, Catalog
from segue.kernel.values import NEVER, Instant, Record


class Scene:
    """One evaluation's surroundings: the profile, the instant, and what triggered it."""

    __slots__ = (
        "before",
        "catalog",
        "context",
        "entry",
        "event",
        "item",
        "message",
        "now",
        "profile",
        "until",
        "vars",
        "zone",
    )

    def __init__(
        self,
        profile: Profile,
        now: Instant,
        zone: Zone,
        event: Event | None = None,
        context: Record | None = None,
    ) -> None:
        self.profile = profile
        self.now = now
        self.zone = zone
        self.event = event
        if context is None:
            context = event.context if event is not None else {}
        self.context: Record = context
        self.entry: Record = {}
        self.vars: Record = {}
        self.message: Record = {}
        self.item: Record = {}
        self.before: Record = {}
        self.catalog: Catalog = EMPTY
        self.until: int = NEVER
