"""What an expression may look at, by where it stands; and the kinds of what is there.

Rule 1: a root that is always missing where an expression stands is refused there, because a
    condition that can't hold is a mistake and not a choice.
Rule 2: the fields of roots with fixed fields are the kernel's own tables, never repeated.
"""

from collections.abc import Mapping
from typing import Literal as OneOf, TypeAlias

import msgspec

from segue.define.diagnostics import Place
from segue.kernel import predicate

Kind: TypeAlias = OneOf["number", "text", "boolean", "instant", "duration", "list", "record", "any"]

OPEN_ROOTS = ("properties", "traits", "entry", "vars", "context", "item", "before")
"""Roots whose fields are the customer's data: any name, any kind."""


class Scope(msgspec.Struct, frozen=True):
    """Where an expression stands: the roots it sees, and whether it may look at history."""

    name: str
    roots: frozenset[str]
    history: bool = True
    catalog: bool = True
    """Whether it may look items up: what is asked only when the profile changes must not."""


def _scope(name: str, roots: str, *, history: bool = True, catalog: bool = True) -> Scope:
    return Scope(name, frozenset(roots.split()), history, catalog)


_ALWAYS = "traits session profile local"
_RUN = f"{_ALWAYS} event properties context entry vars"

SEGMENT = _scope("a segment", _ALWAYS, catalog=False)
STREAM = _scope(
    "a condition on events of the past", "event properties context", history=False, catalog=False
)
DERIVED = _scope("a derived event", f"{_ALWAYS} event properties context")
MOMENT = _scope("an event at a session's end or a segment's change", _ALWAYS)
RANKING = _scope("a ranking", "item", history=False, catalog=False)
ITEM = _scope("an event of the catalog", "item before", history=False, catalog=False)
ENTRY = _scope("an entry", f"{_ALWAYS} event properties context")
WATCH = _scope("an exit, a goal or a wait", _RUN)
JOURNEY = _scope("a journey's own condition", f"{_ALWAYS} entry vars context")
STEP = _scope("a step", _RUN)
MESSAGE = _scope("a message", f"{_RUN} message")
POLICY = _scope("a policy", f"{_ALWAYS} context message")

SCOPES = (
    SEGMENT,
    STREAM,
    DERIVED,
    MOMENT,
    ENTRY,
    WATCH,
    JOURNEY,
    STEP,
    MESSAGE,
    POLICY,
    RANKING,
    ITEM,
)

ROOTS: Mapping[str, str] = {
    "event": "name, id and instants of the event that is being answered",
    "properties": "its properties",
    "traits": "what `identify` said of the customer",
    "session": "the live session: what was done in it, and the models' scores",
    "entry": "properties of the event by which the run entered",
    "vars": "the run's variables",
    "context": "what the caller supplied: page, device, weather, campaign",
    "profile": "what is known of the customer beside traits",
    "local": "the time where the customer is",
    "message": "the message that a policy or a condition is about",
    "item": "the item that is ranked, or that has changed",
    "before": "the item as it was before it changed",
}


What: TypeAlias = OneOf[
    "segment",
    "journey",
    "message",
    "event",
    "group",
    "score",
    "channel",
    "tag",
    "placement",
    "look",
    "catalog",
    "ranking",
]


class Reference(msgspec.Struct, frozen=True):
    """A name that something uses, and where."""

    what: What
    name: str
    place: Place


FIELDS: Mapping[str, Mapping[str, str]] = {
    "session": predicate.SESSION_FIELDS,
    "event": predicate.EVENT_FIELDS,
    "profile": predicate.PROFILE_FIELDS,
    "local": predicate.LOCAL_FIELDS,
    "message": {
        "name": "text",
        "purpose": "text",
        "topic": "text",
        "value": "number",
        "priority": "number",
        "channel": "text",
        "tags": "list",
    },
}
"""The fields of roots that are not open, with their kinds."""

INSTANTS = (
    "started_at",
    "last_at",
    "at",
    "arrived_at",
    "first_seen_at",
    "last_seen_at",
    "ordered_at",
)
"""Fields that the kernel counts as numbers and that are points in time."""
