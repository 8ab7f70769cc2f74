"""What administrators and the live page see: profiles with their why, the outbox, bad inputs.

Rule: everything under /api goes through `auth.admit` (see `guarded`), reads the store in a
thread and changes nothing, except a retry of dead letters and the simulated shoppers' switch.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from segue.errors import BodyUnreadable, NoSuchThing, NotAdmitted, StoreUnavailable
from segue.kernel.profile import Profile
from segue.kernel.values import ProfileId
from segue.server import auth, bodies, limits, words
from segue.server.site import Site, site_of
from segue.stores.ports import Identifier, KeptMessage, QueuedSend, Store

T = TypeVar("T")

Endpoint = Callable[[Request], Awaitable[Response]]

PREVIEW_POLICY: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data: https:; "
    "frame-ancestors 'self'"
)
"""A message in its preview: its own styles and pictures, no script, no form, no way out."""

_encode = msgspec.json.Encoder().encode


def guarded(endpoint: Endpoint) -> Endpoint:
    """Only for administrators."""

    async def admitted(request: Request) -> Response:
        auth.admit(request, site_of(request).settings.admin_token)
        response = await endpoint(request)
        response.headers["Cache-Control"] = "no-store"
        return response

    return admitted


def as_json(value: object) -> Response:
    """An answer."""
    return Response(_encode(value), media_type="application/json")


def limit_of(request: Request, usual: int = 100) -> int:
    """How many rows are asked for. Raises `BodyUnreadable`."""
    given = request.query_params.get("limit", str(usual))
    if not given.isascii() or not given.isdigit() or len(given) > 9:
        raise BodyUnreadable(f"limit must be a whole number, not {given[:40]!r}")
    return max(1, min(int(given), limits.PAGE_SIZE_MAX))


async def overview(request: Request) -> Response:
    """What the live page shows beside the stream."""
    site = site_of(request)
    counts = await site.away(site.store.counts)
    decisions = [
        {"outcome": outcome, "reason": reason, "text": words.because(reason), "count": count}
        for (outcome, reason), count in site.metrics.counted("segue_decisions_total").items()
    ]
    channels = {
        channel: count for (channel,), count in site.metrics.counted("segue_sends_total").items()
    }
    keys = site.settings.write_keys
    simulated = site.settings.simulated_sources
    return as_json(
        {
            "now": site.clock.now(),
            "started_at": site.started_at,
            "workspace": site.host.program.plan.workspace.name,
            "counts": words.plain(counts),
            "events_since_start": site.metrics.total("segue_events_total"),
            "decisions": decisions,
            "sends": channels,
            "shows": site.metrics.total("segue_shows_total"),
            "write_key": next((k for k, source in keys.items() if source not in simulated), ""),
            "simulation": None if site.simulation is None else {"on": site.simulation.on},
        }
    )


async def profiles(request: Request) -> Response:
    """Profiles in order of id, briefly; `ids` asks for certain ones."""
    site = site_of(request)
    after, limit = request.query_params.get("after", ""), limit_of(request)
    asked = request.query_params.get("ids")
    if asked is None:
        found = await site.away(lambda: site.store.profiles(after, limit))
    else:
        ids = [ProfileId(one) for one in asked.split(",")[:limit] if one]
        loaded = await site.away(lambda: site.store.load(ids))
        found = [one.profile for one in loaded.values()]
    simulated = await site.away(lambda: site.stream.simulated(site.store, [p.id for p in found]))
    brief = [
        {
            "id": profile.id,
            "name": name_of(profile),
            "segments": sorted(profile.segments),
            "runs": [run.journey for run in profile.runs],
            "last_seen_at": profile.last_seen_at,
            "simulated": profile.id in simulated,
        }
        for profile in found
    ]
    return as_json(
        {"profiles": brief, "next": found[-1].id if asked is None and len(found) == limit else None}
    )


async def profile(request: Request) -> Response:
    """One profile's whole state."""
    site = site_of(request)
    reference: str = request.path_params["reference"]
    found = await site.away(lambda: find(site.store, reference))
    record: Any = words.plain(found)
    record["name"] = name_of(found)
    record["simulated"] = bool(
        await site.away(lambda: site.stream.simulated(site.store, [found.id]))
    )
    for line in (*record["ledger"], *record["proposals"]):
        if line.get("reason"):
            line["text"] = words.because(line["reason"])
    return as_json(record)


async def timeline(request: Request) -> Response:
    """What happened to one profile and why, the newest first."""
    site = site_of(request)
    reference: str = request.path_params["reference"]
    limit = limit_of(request, limits.TIMELINE_MAX)
    return as_json(await site.away(lambda: timeline_of(site.store, reference, limit)))


def timeline_of(store: Store, reference: str, limit: int) -> dict[str, Any]:
    found = find(store, reference)
    entries: list[dict[str, Any]] = []
    for line in store.history(found.id)[-limit:]:
        event = line.event
        entries.append(
            {
                "type": "event",
                "at": line.arrived_at,
                "happened_at": event.at,
                "sequence": line.sequence,
                "id": event.id,
                "name": event.name,
                "kind": event.kind,
                "properties": event.properties,
                "traits": event.traits,
                "source": event.source,
                "live": event.live,
                "emitted": event.emitted,
            }
        )
    entries += [
        {
            "type": "why",
            "at": trace.at,
            "sequence": trace.sequence,
            "cause": trace.cause,
            "notes": [words.told(note) for note in trace.notes],
        }
        for trace in store.traces(found.id, limit)
    ]
    # Of one instant, the event comes first, then what it led to; the page reads upwards.
    entries.sort(key=lambda entry: (entry["at"], entry["type"] == "why", entry["sequence"]))
    entries.reverse()
    return {"profile": found.id, "name": name_of(found), "entries": entries[:limit]}


def find(store: Store, reference: str) -> Profile:
    """By id, or by `user:ana`, `anonymous:a-1` and the like."""
    kind, colon, value = reference.partition(":")
    ids = [ProfileId(reference)]
    if colon:
        named = Identifier(kind, value)
        ids = list(store.resolve([named]).values()) or ids
    heirs = store.forward(ids)
    ids = [heirs.get(one, one) for one in ids]
    loaded = store.load(ids)
    for one in ids:
        if one in loaded:
            return loaded[one].profile
    raise NoSuchThing(f"there is no profile {reference[:200]!r}")


def name_of(profile: Profile) -> str:
    """What a person calls this customer."""
    for trait in ("name", "first_name", "firstName", "email", "phone"):
        value = profile.traits.get(trait)
        if isinstance(value, str) and value.strip():
            return value.strip()[:80]
    if profile.user_ids:
        return profile.user_ids[0][:80]
    return f"Visitor {(profile.anonymous_ids or [profile.id])[0][:6]}"


async def messages(request: Request) -> Response:
    """What the sandbox channel kept."""
    site = site_of(request)
    whose, limit = request.query_params.get("profile"), limit_of(request, 50)
    only = None if whose is None else ProfileId(whose)
    found = await site.away(lambda: site.store.kept(only, limit))
    simulated = await site.away(
        lambda: site.stream.simulated(site.store, [message.profile for message in found])
    )
    return as_json(
        {
            "messages": [
                {
                    **msgspec.to_builtins(message),
                    "simulated": message.profile in simulated,
                    "preview": _preview_path(site, message) if _html(message) else None,
                }
                for message in found
            ]
        }
    )


def _html(message: KeptMessage) -> str:
    return next((text for name, text in message.fields.items() if name.endswith("html")), "")


def _preview_path(site: Site, message: KeptMessage) -> str:
    """An address that only who may list messages knows: frames can't carry a token."""
    sign = auth.signature(site.settings.admin_token, f"{message.profile}/{message.id}")
    ids = f"{quote(message.profile, safe='')}/{quote(message.id, safe='')}"
    return f"/preview/{sign}/{ids}"


async def preview(request: Request) -> Response:
    """A kept message's HTML, where nothing in it can run or reach anything."""
    site = site_of(request)
    whose, _, name = request.path_params["message"].partition("/")
    sign = auth.signature(site.settings.admin_token, f"{whose}/{name}")
    if not auth.same(request.path_params["sign"], sign):
        raise NotAdmitted("this address is not signed")
    if not site.settings.admin_token:
        auth.admit(request, "")
    kept = await site.away(lambda: site.store.kept(ProfileId(whose), limits.PAGE_SIZE_MAX))
    for message in kept:
        if message.id == name:
            headers = {"Content-Security-Policy": PREVIEW_POLICY, "Cache-Control": "no-store"}
            return Response(_html(message), headers=headers, media_type="text/html")
    raise NoSuchThing("this message is not kept any more")


async def outbox(request: Request) -> Response:
    """Rows of the outbox; `state=dead` are the dead letters."""
    site = site_of(request)
    state, limit = request.query_params.get("state"), limit_of(request)
    known = ("queued", "claimed", "done", "dead", "cancelled", "unknown")
    if state is not None and state not in known:
        raise BodyUnreadable(f"state must be one of {', '.join(known)}")
    found = await site.away(lambda: site.store.outbox(state, None, limit))
    return as_json({"sends": [_row(row) for row in found]})


def _row(row: QueuedSend) -> dict[str, object]:
    effect: Any = words.plain(row.effect)
    kind = str(row.effect.__struct_config__.tag)
    record: Any = words.plain(row)
    return {**record, "effect": {**effect, "kind": kind}}


class _Retry(msgspec.Struct):
    ids: list[str]


async def retry(request: Request) -> Response:
    """Queue dead letters again."""
    site = site_of(request)
    asked = await _body(request, _Retry)
    ids = asked.ids[: limits.PAGE_SIZE_MAX]
    return as_json(words.plain(await site.away(lambda: site.host.retry(ids))))


async def set_aside(request: Request) -> Response:
    """Bad inputs with their reasons, the newest first."""
    site = site_of(request)
    limit = limit_of(request)
    found = await site.away(lambda: site.store.set_aside(limit))
    return as_json(
        {
            "set_aside": [
                {
                    "number": number,
                    "at": bad.at,
                    "source": bad.source,
                    "code": bad.code,
                    "reason": bad.reason,
                    "body": bad.body.decode("utf-8", "replace"),
                }
                for number, bad in found
            ]
        }
    )


class _Switch(msgspec.Struct):
    on: bool


async def simulation(request: Request) -> Response:
    """Whether simulated shoppers are about; POST switches them."""
    site = site_of(request)
    if site.simulation is None:
        if request.method == "POST":
            raise NoSuchThing("this installation has no simulated shoppers")
        return as_json({"on": False, "available": False})
    if request.method == "POST":
        asked, simulated = await _body(request, _Switch), site.simulation
        await site.away(lambda: simulated.switch(asked.on))
    return as_json({"on": site.simulation.on, "available": True})


async def _body(request: Request, shape: type[T]) -> T:
    body = await bodies.read(request, limits.ASKED_BYTES_MAX)
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise BodyUnreadable(str(error).replace("`$.", "`").replace("`$`", "the body")) from error


async def live(request: Request) -> Response:
    """Facts as they happen, as server-sent events."""
    stream = site_of(request).stream
    reader = stream.admit()
    return StreamingResponse(
        stream.read(reader),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


# ── for machines ────────────────────────────────────────────────────────────────────


async def health(request: Request) -> Response:
    """The process is up."""
    site = site_of(request)
    return as_json({"status": "ok", "since": site.started_at})


async def ready(request: Request) -> Response:
    """The store can be read and saved to, and a program is in force; 503 otherwise."""
    site = site_of(request)
    if site.host.unavailable:
        raise StoreUnavailable(site.host.unavailable)
    await site.away(site.store.current_program)
    return as_json({"status": "ready", "workspace": site.host.program.plan.workspace.name})


async def metrics(request: Request) -> Response:
    """Counters and gauges for Prometheus."""
    site: Site = site_of(request)
    counts = await site.away(site.store.counts)
    text = site.metrics.text(counts, site.stream.watchers, site.stream.dropped)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
