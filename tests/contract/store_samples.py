"""What the contract suite of stores is told with: people, events, effects, and small stories."""

from segue.kernel.effects import (
    Effect,
    Send,
)
from segue.kernel.inputs import Event
from segue.kernel.profile import Profile, create
from segue.kernel.trace import Remarked
from segue.kernel.values import NEVER, Instant, ProfileId
from segue.stores.ports import (
    Identifier,
    QueuedSend,
    Saved,
    Settlement,
    Store,
)

ANA, BEN, CY = ProfileId("ana"), ProfileId("ben"), ProfileId("cy")


def at(instant: int) -> Instant:
    return Instant(instant)


def person(who: str, wake_at: int = NEVER, program: str = "", **traits: object) -> Profile:
    profile = create(ProfileId(who), at(1))
    profile.wake_at = at(wake_at)
    profile.program = program
    profile.traits = dict(traits)
    return profile


def viewed(event_id: str, **properties: object) -> Event:
    return Event(id=event_id, name="Product Viewed", at=at(5), properties=properties)


def send(send_id: str, pace_at: int = 0, channel: str = "email") -> Send:
    return Send(
        id=send_id,
        message="hello",
        channel=channel,
        address="ana@example.com",
        program="p1",
        data={"traits": {"name": "Ana"}},
        not_after=at(1_000_000),
        pace_at=at(pace_at),
    )


def queue(store: Store, profile: str, *effects: Effect, when: int = 10) -> None:
    """Save a profile, new or not, with effects decided at `when`."""
    loaded = store.load([ProfileId(profile)]).get(ProfileId(profile))
    store.commit(
        [
            Saved(
                profile=loaded.profile if loaded else person(profile),
                seen_version=loaded.version if loaded else 0,
                effects=tuple((effect, at(when)) for effect in effects),
            )
        ]
    )


def states(store: Store) -> dict[str, str]:
    return {row.id: row.state for row in store.outbox()}


def done(row: QueuedSend, state: str = "done", **fields: object) -> Settlement:
    return Settlement(id=row.id, profile=row.profile, state=state, at=at(30), **fields)  # type: ignore[arg-type]


def merge(store: Store, heir: str, *absorbed: str, **fields: object) -> None:
    ids = [ProfileId(each) for each in absorbed]
    loaded = store.load([*ids, ProfileId(heir)])
    versions = tuple(loaded[each].version if each in loaded else 0 for each in ids)
    mine = loaded.get(ProfileId(heir))
    store.commit(
        [
            Saved(
                profile=mine.profile if mine else person(heir),
                seen_version=mine.version if mine else 0,
                absorbed=tuple(ids),
                absorbed_versions=versions,
                **fields,  # type: ignore[arg-type]
            )
        ]
    )


def two_with_pasts(store: Store) -> None:
    for name in ("ana", "ben"):
        store.commit(
            [
                Saved(
                    profile=person(name, wake_at=50),
                    events=((viewed(f"{name}-e"), at(5)),),
                    effects=((send(f"{name}-s"), at(10)),),
                    traces=((at(5), f"{name}-e", (Remarked(what=name),)),),
                    links=(Identifier("user", name),),
                )
            ]
        )
