"""The authored form of what Segue makes happen, and of catalogs: events.yaml and catalog.yaml.

Rule: an event says by one keyword when it happens: `on` other events, `at` a moment of the
    session or of any segment, on a change of one `segment`, or of an item of a `catalog`.
"""

from typing import Literal as OneOf, TypeAlias

from segue.define.model import Authored, Definition
from segue.define.words import Expr, Name, Span, Text


class EventOnForm(Definition, frozen=True, kw_only=True):
    """An event after others, and perhaps a silence."""

    on: tuple[Text, ...]
    silence: Span | None = None
    unless: tuple[Text, ...] = ()
    when: Expr | None = None
    properties: dict[str, Expr] = {}


class EventAtForm(Definition, frozen=True, kw_only=True):
    """An event at a moment that comes without an event."""

    at: OneOf["session started", "session ended", "segment entered", "segment left"]
    when: Expr | None = None
    properties: dict[str, Expr] = {}


class EventOfSegmentForm(Definition, frozen=True, kw_only=True):
    """An event as a customer enters or leaves a segment."""

    segment: Name
    change: OneOf["entered", "left"] = "entered"
    when: Expr | None = None
    properties: dict[str, Expr] = {}


class EventOfItemForm(Definition, frozen=True, kw_only=True):
    """An event as an item of a catalog changes, for those who had to do with it."""

    catalog: Name
    to: tuple[Text, ...]
    within: Span
    when: Expr | None = None
    properties: dict[str, Expr] = {}


EventForm: TypeAlias = EventOnForm | EventAtForm | EventOfSegmentForm | EventOfItemForm


class RankingForm(Authored, frozen=True, kw_only=True):
    """The best items of each group, by a number."""

    by: Expr
    group: Expr | None = None
    most: int = 10
    when: Expr | None = None


class CatalogForm(Definition, frozen=True, kw_only=True):
    """What a catalog is called, and how its items are ranked."""

    rankings: dict[str, RankingForm] = {}
