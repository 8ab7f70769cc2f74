"""What belongs in a placement: the most relevant standing offer that passes, or nothing.

Rule 1: offers meet the same nine checks as sends, at each question anew.
Rule 2: one offer per placement; the others are told by which they were outranked.
Rule 3: what is open already and still passes counts no second time (a reload); in a new
    session it is a new exposure.
"""

from segue.kernel import arbiter, ledger
from segue.kernel.arbiter import Verdict
from segue.kernel.effects import Show
from segue.kernel.inputs import Asked
from segue.kernel.profile import Offer, Profile, Sent
from segue.kernel.program import LinkedMessage
from segue.kernel.trace import Check, Considered
from segue.kernel.turn import Turn
from segue.kernel.values import NEVER


def answer(turn: Turn, question: Asked) -> None:
    """Fill each placement with the most relevant standing offer that passes, or with nothing."""
    profile = turn.profile
    for placement in dict.fromkeys(question.placements):
        standing: list[tuple[tuple[object, ...], Offer, LinkedMessage]] = []
        for offer in profile.offers:
            run = arbiter.run_of(profile, offer.run)
            linked = arbiter.message_of(turn.program, run, offer.message)
            if offer.placement == placement and linked is not None:
                standing.append(
                    (arbiter.rank(turn, linked, run, offer.offered_at, offer.id), offer, linked)
                )
        standing.sort(key=_first_offer)
        taken = ""
        for _, offer, linked in standing:
            taken = _answer_one(turn, question, offer, linked, taken) or taken


def _first_offer(row: tuple[tuple[object, ...], Offer, LinkedMessage]) -> tuple[object, ...]:
    return row[0]


def _answer_one(
    turn: Turn, question: Asked, offer: Offer, linked: LinkedMessage, taken: str
) -> str:
    """Consider one standing offer for its placement; returns its id if it is shown."""
    profile = turn.profile
    run = arbiter.run_of(profile, offer.run)
    journey = turn.program.journey(run.program, run.journey) if run else None
    hearing = arbiter.Hearing(turn, linked, journey, run, offer)
    send_id = _showing(profile, offer)
    again = ledger.find(profile, send_id) is not None
    if taken:
        check = Check("priority", "deny", "outranked", taken)
        verdict = Verdict("denied", offer.channel, "outranked", NEVER, (check,))
        ledger.close(turn, offer)
    elif again:
        verdict = hearing.consider_again(offer.channel)
    else:
        verdict = hearing.consider((offer.channel,))
    if verdict.outcome == "admitted":
        _show(hearing, offer, question, again)
    elif again:
        ledger.close(turn, offer)
    turn.notes.append(
        Considered(
            proposal=offer.id,
            message=offer.message,
            journey=run.journey if run else "",
            run=offer.run,
            outcome=verdict.outcome,
            channel=offer.channel,
            placement=offer.placement,
            reason=verdict.reason,
            until=verdict.until,
            checks=verdict.checks,
            send=send_id if verdict.outcome == "admitted" else "",
        )
    )
    return offer.id if verdict.outcome == "admitted" else ""


def _showing(profile: Profile, offer: Offer) -> str:
    """The ledger's id of the offer in this session, or of what is open already."""
    return offer.shown_as if offer.shown_at != NEVER else ledger.show_id(profile, offer)


def _show(hearing: arbiter.Hearing, offer: Offer, question: Asked, again: bool) -> None:
    """Put the offer into the answer; the first time in a session it is a line of the ledger."""
    turn, linked, run = hearing.turn, hearing.linked, hearing.run
    profile = turn.profile
    send_id = _showing(profile, offer)
    if not again:
        ledger.write(
            turn,
            Sent(
                id=send_id,
                message=offer.message,
                channel=offer.channel,
                journey=run.journey if run else "",
                run=offer.run,
                step=offer.step,
                at=turn.now,
                session=profile.session.number if profile.session else 0,
                state="shown",
                tags=list(linked.message.tags),
                placement=offer.placement,
                about=offer.about,
            ),
        )
        arbiter.promise(turn, linked, run.journey if run else "", send_id, offer.id)
    offer.shown_at, offer.shown_as = turn.now, send_id
    turn.effects.append(
        Show(
            id=send_id,
            message=offer.message,
            placement=offer.placement,
            channel=offer.channel,
            program=run.program if run else turn.program.name,
            data=arbiter.data_for(turn, linked, run, offer.event, offer.id),
            not_after=offer.expires_at,
            question=question.id,
            journey=run.journey if run else "",
            run=offer.run,
            again=again,
        )
    )
