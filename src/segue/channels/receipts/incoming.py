"""What customers write to us, and what their words mean for consent."""

from typing import Literal as OneOf, TypeAlias

import msgspec

STOPS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"})
STARTS = frozenset({"START", "YES", "UNSTOP"})
HELPS = frozenset({"HELP", "INFO"})

Meaning: TypeAlias = OneOf["stop", "start", "help", "text"]


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A text that a customer wrote, and what it means for consent.

    `answered` says that the provider has answered it already.
    """

    id: str
    channel: OneOf["sms", "whatsapp"]
    number: str
    meaning: Meaning
    text: str
    answered: bool = False


def meaning(text: str) -> Meaning:
    """What a whole text means; anything that is more than one of the words is just text."""
    word = text.strip().upper().rstrip(".! ")
    if word in STOPS:
        return "stop"
    if word in STARTS:
        return "start"
    return "help" if word in HELPS else "text"
