"""The sandbox: keeps messages to be looked at, and hands nothing to anybody.

It stands in for every channel that has no provider, for recipients that a test mode does not
allow, and for everything that was simulated. It accepts all, and knows a send that comes twice.
"""

from segue.channels.email import digest
from segue.channels.letter import Letter, accepted
from segue.hosts.ports import Outcome
from segue.kernel.values import ProfileId
from segue.stores.ports import KeptMessage

NAME = "sandbox"


def kept(letter: Letter, *, simulated: bool) -> KeptMessage:
    """The letter as the store keeps it."""
    return KeptMessage(
        id=letter.id,
        profile=ProfileId(letter.profile),
        at=letter.at,
        channel=letter.channel,
        address=letter.address,
        message=letter.message,
        fields=letter.fields,
        simulated=simulated,
    )


def outcome(letter: Letter) -> Outcome:
    """Accepted, under a name that is the same when the letter comes again."""
    return accepted(f"sandbox-{digest(letter.id)}")
