"""A small shop with journeys that stand in each other's way, and logs of its customers."""

from collections.abc import Iterable
from pathlib import Path

from segue import define, wiring
from segue.kernel.inputs import Event
from segue.kernel.values import DAY, HOUR, MINUTE, Instant
from segue.sim.backtest import Candidate
from segue.sim.backtest_shards import Entry

SHOP = """
workspace: {name: small-shop, conversions: [Order Completed], defaults: {bought: {lookback: 1d}}}
segments:
  keen: {when: "count('Product Viewed', within='30d') >= 3"}
messages:
  hello:
    topic: news
    expires: 2d
    contents: {email: {subject: "Hello {{ traits.name }}", text: hello}}
  push-it:
    topic: news
    expires: 2d
    priority: 60
    contents: {email: {subject: "Now, {{ traits.name }}", text: now}}
  hint: {topic: news, expires: 1d, contents: {web: {title: look, body: here}}}
  banner: {topic: news, expires: 1d, priority: 70, contents: {web: {title: look, body: there}}}
policies:
  one-a-day: {cap: CAP, per: 1d, channels: email, then: deny}
journeys:
  greet:
    enter: {on: Product Viewed}
    reenter: always
    exit: [{on: Order Completed, reason: bought}]
    goal: {on: Order Completed, within: 3d}
    steps:
      - {id: mail, send: hello, by: email}
      - {id: hint, show: hint, at: top, for: 6h}
      - {id: rest, wait: 2h}
  urge:
    enter: {segment: keen, change: entered}
    exit: [{on: Order Completed, reason: bought}]
    goal: {on: Order Completed, within: 3d}
    steps:
      - {id: mail, send: push-it, by: email}
      - {id: banner, show: banner, at: top, for: 6h}
      - {id: rest, wait: 1h}
"""

START = Instant(1_767_225_600_000)
"""2026-01-01."""


def program(folder: Path, cap: int = 1, change: tuple[str, str] = ("", "")) -> Candidate:
    """The shop, with `cap` emails a day, and one change in its text."""
    text = SHOP.replace(*change) if change[0] else SHOP
    (folder / "shop.yaml").write_text(text.replace("CAP", str(cap)), encoding="utf-8")
    loaded = wiring.read_workspace(folder)
    assert loaded.plan is not None, define.render(loaded.diagnostics, loaded.sources)
    return Candidate(loaded.hash, wiring.encoded(loaded))


def known(who: str, at: int = 0) -> Event:
    """Somebody tells an address."""
    return Event(
        id=f"i-{who}",
        name="Profile Identified",
        kind="identify",
        at=Instant(START + at),
        user_id=who,
        traits={"email": f"{who}@example.com", "name": who},
    )


def did(name: str, who: str = "", at: int = 0, anonymous: str = "", **properties: str) -> Event:
    """Somebody does something, so long after the start."""
    return Event(
        id=f"{name}-{who}{anonymous}-{at}",
        name=name,
        at=Instant(START + at),
        user_id=who,
        anonymous_id=anonymous,
        properties=dict(properties),
    )


def log(events: Iterable[Event]) -> list[Entry]:
    """Events as they arrived: when they happened."""
    ordered = sorted(events, key=lambda one: one.at)
    return [
        Entry(0, number, one.at, (one,), one.user_id, one.anonymous_id)
        for number, one in enumerate(ordered, 1)
    ]


def busy(customers: int, days: int = 3) -> list[Entry]:
    """Customers who look around, some without a name at first, some of whom buy."""
    events: list[Event] = []
    for number in range(customers):
        who, device = f"c{number}", f"d{number}"
        start = number * 7 * MINUTE % HOUR
        if number % 3 == 0:  # seen before anybody knew who it was
            events.append(did("Product Viewed", anonymous=device, at=start))
            united = did("Product Viewed", who, start + MINUTE, anonymous=device)
            events.append(united)
        events.append(known(who, start + 2 * MINUTE))
        for day in range(days):
            at = start + day * DAY + number % 5 * HOUR
            events.append(did("Product Viewed", who, at + 3 * MINUTE))
            events.append(did("Product Viewed", who, at + 5 * MINUTE))
        if number % 4 == 0:
            events.append(did("Order Completed", who, start + days * DAY, order_id=who))
        if number % 10 == 9:  # the next one turns out to be this one
            events.append(
                Event(
                    id=f"alias-{number}",
                    name="Profile Aliased",
                    kind="alias",
                    at=Instant(START + DAY + start),
                    user_id=who,
                    properties={"previousId": f"c{number - 1}"},
                )
            )
    return log(events)
