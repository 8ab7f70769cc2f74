"""Lines whose letters need more than one request, or share one.

`AudienceLine` sends all changes of one audience in one direction together. `HubSpotLine` first
finds the contact and writes its properties, then makes the task.
"""

import asyncio
from collections.abc import Sequence

from segue.channels import limits
from segue.channels.audiences import AudienceAdapter
from segue.channels.hubspot import HubSpot
from segue.channels.letter import Letter, refused, try_later
from segue.channels.login import Login
from segue.channels.wire import HttpLine, Wire
from segue.errors import BadAddress, Unsupported
from segue.hosts.ports import Outcome


class AudienceLine(HttpLine):
    """Carries changes of audiences, many at a time."""

    def __init__(self, adapter: AudienceAdapter, wire: Wire, login: Login | None = None) -> None:
        super().__init__(adapter, wire, None, login)
        self._audiences = adapter

    async def carry_all(self, letters: Sequence[Letter]) -> list[Outcome]:
        """Outcomes in the order of the letters."""
        outcomes: dict[int, Outcome] = {}
        groups: dict[tuple[str, str], list[int]] = {}
        for at, letter in enumerate(letters):
            try:
                groups.setdefault(self._audiences.group(letter), []).append(at)
            except (BadAddress, Unsupported) as error:
                outcomes[at] = refused(str(error))
        parts = [
            places[start : start + limits.AUDIENCE_SIZE_MAX]
            for places in groups.values()
            for start in range(0, len(places), limits.AUDIENCE_SIZE_MAX)
        ]
        told = await asyncio.gather(*(self._part([letters[at] for at in part]) for part in parts))
        for part, outcome in zip(parts, told, strict=True):
            outcomes |= dict.fromkeys(part, outcome)
        return [outcomes[at] for at in range(len(letters))]

    async def _part(self, letters: list[Letter]) -> Outcome:
        answer = await self.exchange(self._audiences.compose_all(letters), letters[0].at)
        return answer if isinstance(answer, Outcome) else self.interpret(answer)


class HubSpotLine(HttpLine):
    """Carries tasks, and what they say of the contact."""

    def __init__(self, adapter: HubSpot, wire: Wire) -> None:
        super().__init__(adapter, wire)
        self._hubspot = adapter

    async def carry(self, letter: Letter) -> Outcome:
        """The contact first: writing it again harms nothing, so trouble there is tried later."""
        try:
            update = self._hubspot.update(letter)
            self._hubspot.compose(letter)
        except (BadAddress, Unsupported) as error:
            return refused(str(error))
        contact = ""
        if update is not None:
            answer = await self.exchange(update, letter.at)
            if isinstance(answer, Outcome):
                return try_later(answer.detail, answer.after_ms)
            if answer.status not in {200, 404}:
                said = self.interpret(answer)
                return said if said.result == "refused" else try_later(said.detail, said.after_ms)
            try:
                contact = self._hubspot.contact_of(answer)
            except ValueError as error:
                return try_later(f"hubspot: {error}")
        answer = await self.exchange(self._hubspot.task(letter, contact), letter.at)
        return answer if isinstance(answer, Outcome) else self.interpret(answer)
