"""What a swarm's worlds held, in words: the paragraphs of `docs/internals/simulation.md`.

Rule: a count that is named here is written even where it is 0: that a rule was never met is told.
"""

import textwrap
from collections import Counter

_WIDTH = 118

_ALL = """\
{events accepted} events accepted, {runs entered} runs, {admitted} messages admitted, {sends
handed over} sends handed over, {providers that took their time} of them to a provider that took
its time; {crashes} crashes ({crashes while handing over} with a message at the provider),
{commits that failed} failed and {stale commits} stale commits, {full disks} full disks; {programs
published mid-flight} programs published, {programs published after another} of them after another
one, {runs that migrate at publishing} runs that migrated and {runs that exit at publishing} that
had to exit, {publishing refused: steps vanished} refusals because steps would vanish; {merges}
merges ({merges before a new program was adopted} before a new program was adopted, {merges while
a message was held} while a message was held, {merges while an offer stood} while an offer stood,
{merges while an offer was open on a page} while it was open on a page, {merges while a send was
under way} while a send was under way, {merges while an incentive was alive} while an incentive
was alive, {merges while a run was waiting} while a run was waiting); {incentives offered}
incentives offered, {incentives redeemed} redeemed, {incentives expired} expired, {incentives
withdrawn} withdrawn; {coupon codes handed out} coupon codes handed out, {coupon codes given back}
given back, {held no_coupon} holds by a dry pool; {changes of items} changes of items of the
catalog, {customers told of an item} of them told to a customer; {scores that moved to another
tenth} scores that moved to another tenth. Held: {held quiet_hours} by quiet hours, {held cap} by
a cap, {held gap} by a gap, {held competing_incentive} by a competing incentive, {held
better_deal} because the deal was better than one just offered. Across a change of clocks: {waits
across a change of clocks: Wait} plain waits, {waits across a change of clocks: WaitUntil} until
something happens, {waits across a change of clocks: WaitWindow} until a time of day, {waits
across a change of clocks: WaitDate} until a date, {held cap across a change of clocks} holds by a
cap, {held gap across a change of clocks} by a gap, {held quiet_hours across a change of clocks}
by quiet hours. {worlds played on a second store} worlds were played on a second store, in {merges
in every order} three customers were merged in both orders.
"""
"""Names of counts stand in braces; lines are broken anywhere."""


class _Numbers(dict[str, str]):
    """Counts as they are written; what was not counted is 0."""

    def __init__(self, counts: Counter[str]) -> None:
        crashes = sum(n for what, n in counts.items() if what.startswith("crashes "))
        all_ = {**counts, "crashes": crashes}
        super().__init__({what: f"{count:,}" for what, count in all_.items()})

    def __missing__(self, what: str) -> str:
        return "0"


def held(counts: Counter[str]) -> str:
    """The paragraph."""
    told, numbers = " ".join(_ALL.split()), _Numbers(counts)
    for what in sorted(_names(), key=len, reverse=True):
        told = told.replace("{" + what + "}", numbers[what])
    return textwrap.fill(
        f"- **What these worlds held.** {told}",
        _WIDTH,
        subsequent_indent="  ",
        break_on_hyphens=False,
    )


def _names() -> set[str]:
    return {part.split("}")[0] for part in " ".join(_ALL.split()).split("{")[1:]}
