"""Goal: every note of a trace reads as a sentence, and nothing is told by a bare code."""

import msgspec
import pytest

from segue.kernel.profile import Session, create
from segue.kernel.trace import (
    CHECKS,
    REASONS,
    Check,
    Considered,
    Drawn,
    Ended,
    IncentiveChanged,
    Note,
    Remarked,
    RunChanged,
    Scored,
    SegmentChanged,
    Settled,
)
from segue.kernel.values import NEVER, Instant, ProfileId
from segue.server import words

HELD = Check("caps", "hold", "cap", "2 per day", Instant(5))


@pytest.mark.parametrize(
    ("note", "text"),
    [
        (
            Considered(proposal="p", message="offer", outcome="admitted", channel="email"),
            "Sent offer by email",
        ),
        (
            Considered(proposal="p", message="offer", outcome="admitted", placement="banner"),
            "Put offer in banner",
        ),
        (
            Considered(proposal="p", message="offer", outcome="held", reason="cap", checks=(HELD,)),
            "Held offer: a cap is reached",
        ),
        (
            Considered(proposal="p", message="offer", outcome="denied", reason="no_consent"),
            "Stopped offer: the customer does not allow this topic on this channel",
        ),
        (SegmentChanged(segment="loyal", change="entered"), "Entered segment loyal"),
        (SegmentChanged(segment="loyal", change="left"), "Left segment loyal"),
        (RunChanged(run="r", journey="win-back", change="entered"), "Entered journey win-back"),
        (
            RunChanged(run="r", journey="win-back", change="moved", step="wait"),
            "Win-back moved to step wait",
        ),
        (
            RunChanged(run="r", journey="win-back", change="ended", reason="exit", detail="bought"),
            "Win-back ended: an exit condition came to hold (bought)",
        ),
        (
            RunChanged(run="r", journey="win-back", change="refused", reason="reentry"),
            "Win-back was not entered: the journey's re-entry rule forbids it",
        ),
        (RunChanged(run="r", journey="win-back", change="goal"), "Win-back reached its goal"),
        (
            Drawn(stream="s", choice="b", options={"a": 750_000, "b": 250_000}),
            "Drew “b” for s (25 % likely)",
        ),
        (
            Ended(id="x", message="offer", reason="bought"),
            "Took back offer: what it promotes has been bought",
        ),
        (
            Settled(send="s", message="offer", channel="email", state="delivered"),
            "Offer by email was delivered",
        ),
        (
            IncentiveChanged(incentive="ten", group="g", change="offered", source="s", code="T-1"),
            "Promised ten (code T-1)",
        ),
        (
            IncentiveChanged(
                incentive="ten", group="g", change="redeemed", source="s", by="Order Completed"
            ),
            "Ten was redeemed by Order Completed",
        ),
        (
            IncentiveChanged(incentive="ten", group="g", change="expired", source="s"),
            "Ten expired",
        ),
        (
            IncentiveChanged(incentive="ten", group="g", change="withdrawn", source="s"),
            "Ten was withdrawn: its message never arrived",
        ),
        (
            Scored(model="intent@12ab", probability=0.63, reasons={"cart": 26.0, "tempo": -4.0}),
            "Intent is 63% (cart +26.0, tempo -4.0)",
        ),
        (Remarked(what="trait_refused", detail={"name": "x"}), "Trait refused: name x"),
    ],
)
def test_a_note_is_a_sentence(note: Note, text: str) -> None:
    told = words.told(note)
    assert told["text"] == text
    msgspec.json.encode(told)


def test_a_check_tells_what_it_asked_what_it_did_and_until_when() -> None:
    note = Considered(proposal="p", message="offer", outcome="held", reason="cap", checks=(HELD,))
    assert words.told(note)["checks"] == [
        {
            "check": "caps",
            "title": "Within caps",
            "verdict": "hold",
            "reason": "cap",
            "text": "a cap is reached (2 per day)",
            "until": 5,
        }
    ]


def test_every_check_has_a_title() -> None:
    assert set(words.CHECK_WORDS) == set(CHECKS)


def test_every_reason_has_words() -> None:
    for reason in REASONS:
        assert words.because(reason) == REASONS[reason]
    assert words.because("something_new") == "something new"


def test_a_profile_becomes_a_record_with_names_and_without_never() -> None:
    profile = create(ProfileId("p"), Instant(1))
    profile.session = Session(number=1, started_at=Instant(1), last_at=Instant(2))
    record = words.plain(profile)
    assert isinstance(record, dict)
    assert record["wake_at"] is None
    assert record["session"]["converted_at"] is None
    assert record["session"]["number"] == 1
    assert profile.wake_at == NEVER
