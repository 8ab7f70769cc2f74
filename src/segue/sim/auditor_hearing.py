"""The auditor's hearing: all that a customer's runs want out, decided in one call.

The most relevant first, by `auditor_rules.judge`; what is admitted is a line of the ledger, what is
held is heard again when it may leave. Placements are answered by the same rules.
"""

from typing import TYPE_CHECKING

from segue.sim import auditor_rules as rules
from segue.sim.auditor_calendar import NEVER, offset
from segue.sim.auditor_life import Line, Wish

if TYPE_CHECKING:
    from segue.sim.auditor_tick import Tick


class Hearing:
    """What one customer's messages meet in one input."""

    def __init__(self, tick: "Tick") -> None:
        self.tick = tick
        self.life = tick.life
        self.book = tick.book
        self.now = tick.now

    def case(self, wish: Wish) -> rules.Case | None:
        """A wish as the arbiter sees it; None where its run is over."""
        run = self.life.run(wish.run)
        if run is None:
            return None
        journey = self.book.journey(run.program, run.journey)
        message = self.book.message(run.program, wish.message)
        if journey is None or message is None:
            return None
        today = self.book.today
        return rules.Case(self.tick.view, today, message, journey, run, wish, self.book.pools)

    def decide(self) -> None:
        """Hear what is due, the most relevant first; what waits for a known time waits for it."""
        timed = ("quiet_hours", "retry")
        cases = [
            case
            for wish in self.life.wishes
            if wish.retry_at <= self.now or wish.reason not in timed
            if (case := self.case(wish)) is not None
        ]
        answers: list[tuple[rules.Case, rules.Judgement]] = []
        for case in sorted(cases, key=rules.relevance):
            wish = case.wish
            judgement = rules.judge(case, self.tick.trips.channels(case))
            if self._not_yet(wish, judgement):
                looked = not (self.tick.alone and wish.reason == "no_coupon")
                if judgement.reason == wish.reason and looked:
                    wish.retry_at = judgement.until  # what it waits for may have moved
                continue
            if judgement.outcome == "held":
                if wish.reason != judgement.reason:
                    self._consider(case, judgement, "")
                wish.retry_at, wish.reason = judgement.until, judgement.reason
                continue
            send_id = f"{wish.id}~{len(wish.tried)}" if wish.tried else wish.id
            if judgement.outcome == "admitted":
                self._admit(case, judgement.channel, send_id)
            self._consider(case, judgement, send_id)
            self.life.wishes.remove(wish)
            answers.append((case, judgement))
        for case, judgement in answers:
            self.tick.trips.answered(case, judgement)

    def _not_yet(self, wish: Wish, judgement: rules.Judgement) -> bool:
        """Whether a held message need not be heard again now.

        That it may leave must never be missed; that another reason would hold or deny it is
        said at its instant at the latest. When a rule's own condition ends the auditor does not
        compute: it believes the host which of these it looked at, and judges what it said. That
        its coupon pool is dry no more it learns at the next event or report, or within
        the hour.
        """
        if wish.reason == "no_coupon" and self.tick.heard:
            return False
        waits = wish.retry_at > self.now or wish.reason == "suppressed"
        if not waits or wish.expires_at <= self.now or wish.id in self.tick.looked_at:
            return False
        return judgement.outcome != "admitted" or wish.reason == "no_coupon"

    def _consider(self, case: rules.Case, judgement: rules.Judgement, send_id: str) -> None:
        self._count(judgement)
        send = send_id if judgement.outcome == "admitted" else ""
        self.tick.out.notes.append(
            (
                "considered",
                case.wish.id,
                judgement.outcome,
                judgement.channel,
                judgement.reason,
                judgement.until,
                judgement.checks,
                send,
            )
        )

    def _count(self, judgement: rules.Judgement) -> None:
        """How often each rule was met; it changes nothing."""
        said = f"{judgement.outcome} {judgement.reason}".strip()
        self.tick.met[said] += 1
        zone, until = self.life.tz(), judgement.until
        timed = judgement.outcome == "held" and judgement.reason in rules.TIMED
        if timed and until < NEVER and offset(zone, until) != offset(zone, self.now):
            self.tick.met[f"{said} across a change of clocks"] += 1

    def _admit(self, case: rules.Case, channel: str, send_id: str) -> None:
        self._write(case, channel, send_id, "queued")
        self.tick.out.effects.append(
            (
                "send",
                send_id,
                case.message.name,
                channel,
                self.life.address(channel),
                case.run.program,
                case.wish.expires_at,
                case.message.purpose,
            )
        )

    def _write(self, case: rules.Case, channel: str, send_id: str, state: str) -> None:
        life, wish, message = self.life, case.wish, case.message
        life.lines.append(
            Line(
                id=send_id,
                message=message.name,
                channel=channel,
                journey=case.journey.name,
                run=wish.run,
                step=wish.step,
                at=self.now,
                session=life.session.number if life.session else 0,
                state=state,
                tags=message.tags,
                placement=wish.placement,
                about=wish.about,
                since=wish.since,
                expires_at=wish.expires_at,
                tried=wish.tried,
            )
        )
        self.tick.promises.give(message.incentive, send_id, wish.id, case.journey.name)

    # ── placements ──

    def standing(self, placement: str) -> list[rules.Case]:
        offers = [one for one in self.life.offers if one.placement == placement]
        return sorted((c for c in map(self.case, offers) if c), key=rules.relevance)

    def answer_one(self, case: rules.Case, question: str, taken: str) -> str:
        offer, life = case.wish, self.life
        number = life.session.number if life.session else 0
        send_id = offer.open_as or f"{offer.id}@{number}"
        again = life.line(send_id) is not None
        if taken:
            checks = (("priority", "deny"),)
            judgement = rules.Judgement("denied", offer.channel, "outranked", NEVER, checks)
            offer.open_as = ""
        else:
            judgement = rules.judge(case, (offer.channel,), again)
        self._consider(case, judgement, send_id)
        if judgement.outcome != "admitted":
            if again:
                offer.open_as = ""
            return ""
        if not again:
            self._write(case, offer.channel, send_id, "shown")
        offer.open_as = offer.shown_as = send_id
        self.tick.out.effects.append(
            ("show", send_id, offer.message, offer.placement, question, offer.expires_at, again)
        )
        return offer.id
