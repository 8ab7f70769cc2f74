"""The program in force, its versions, and publishing the workspace that this installation runs.

Rule 1: nobody sends definitions here. The installation reads its own workspace, through its
    own checker; the caller says which program it expects to find there.
Rule 2: a dry run tells what publishing would mean for the runs that are live, and changes nothing.
"""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from segue.errors import BodyUnreadable, NoSuchThing, WorkspaceDiffers
from segue.hosts import publishing
from segue.hosts.publishing import Mode, Outlook
from segue.server import bodies, limits
from segue.server.diagrams import outline
from segue.server.site import Site, site_of

_encode = msgspec.json.Encoder().encode


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be published, and what becomes of runs: `modes` by journey."""

    program: str = ""
    """The program that the caller has seen in the workspace; empty takes what is there."""
    modes: dict[str, Mode] = {}
    dry_run: bool = False


class Told(msgspec.Struct):
    """What was published, or would be."""

    program: str
    published: bool
    outlook: tuple[Outlook, ...]


async def answer(request: Request) -> Response:
    """GET tells, POST publishes."""
    return await (publish(request) if request.method == "POST" else program(request))


async def program(request: Request) -> Response:
    """The definitions in force, and how many runs are pinned to which version.

    With `standing=1` also where they stand, for which everyone is looked at.
    """
    site = site_of(request)
    current = site.host.program
    told = outline(current)
    runs = await site.away(site.store.programs_in_use)
    names = dict.fromkeys([current.name, *sorted(runs)])
    told["versions"] = [
        {"program": name, "current": name == current.name, "runs": runs.get(name, 0)}
        for name in names
    ]
    told["modes"] = dict(await site.away(lambda: publishing.decided(site.store, current.name)))
    told["states"] = {name: journey.state for name, journey in current.states.items()}
    if request.query_params.get("standing"):
        found = await site.away(lambda: publishing.standing(publishing.everyone(site.store)))
        told["standing"] = [
            {
                "journey": journey,
                "program": version,
                "step": step,
                "runs": many,
                **({"onward": onward} if onward else {}),
            }
            for (journey, version, step, onward), many in sorted(found.items())
        ]
    return _json(told)


async def publish(request: Request) -> Response:
    """Publish the workspace as it is now."""
    site = site_of(request)
    body = await bodies.read(request, limits.ASKED_BYTES_MAX)
    try:
        asked = msgspec.json.decode(body, type=Asked)
    except msgspec.DecodeError as error:
        raise BodyUnreadable(str(error)) from error
    return _json(await site.away(lambda: _published(site, asked)))


def _published(site: Site, asked: Asked) -> Told:
    if site.workspace is None:
        raise NoSuchThing("this installation was not started on a workspace")
    name, plan = site.workspace()
    if asked.program not in ("", name):
        raise WorkspaceDiffers(asked.program, name)
    told = site.host.outlook(name, plan, asked.modes)
    publishing.refuse_unknown(told, asked.modes)
    publishing.refuse_vanished(told)
    if not asked.dry_run:
        site.host.publish(name, plan, asked.modes)
    return Told(name, not asked.dry_run, told)


def _json(value: object) -> Response:
    return Response(_encode(value), media_type="application/json")
