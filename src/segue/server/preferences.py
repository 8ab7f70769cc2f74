"""Where the links of messages lead: unsubscribe, preferences, clicks and opens.

Rule 1: GET changes nothing that the customer did not do by opening it: it shows a page, never
    unsubscribes (mail scanners open every link). POST does, with one click (RFC 8058), without
    login, cookie or redirect.
Rule 2: a link is its bearer's leave for what was signed, and nothing else. It leads on only to
    the address that was signed.
Rule 3: what is ticked is saved as consent for each topic on each channel; of what was said, the
    strictest holds, so a ban on everything is lifted only together with bans on all that is
    not ticked.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal as OneOf
from urllib.parse import parse_qsl

import msgspec
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from segue.channels.links import Kind, Link, Links
from segue.errors import BadLink, BodyUnreadable, NoSuchThing, SegueError
from segue.hosts.arrivals import Arrival
from segue.kernel.arbiter import consent
from segue.kernel.inputs import Consented, Reported
from segue.kernel.profile import Profile
from segue.kernel.program import Program
from segue.kernel.values import Instant, ProfileId
from segue.server import bodies, consent as pages, limits
from segue.server.site import Site, site_of
from segue.stores.ports import Store

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}

PICTURE: Final = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
"""One transparent point, as GIF."""

MACHINES: Final = re.compile(
    r"^Mozilla/5\.0$|bot\b|crawler|spider|preview|scanner|barracuda|proofpoint|mimecast",
    re.IGNORECASE,
)
"""User agents of machines that open mail: Apple's proxy says `Mozilla/5.0` and no more.

Gmail's and Yahoo's picture proxies fetch when a person opens, so they are none."""


# ── pages ───────────────────────────────────────────────────────────────────────────


async def unsubscribe(request: Request) -> Response:
    """GET shows what would end; POST ends it."""
    site = site_of(request)
    try:
        link = _read(site, request, "unsubscribe")
    except BadLink as error:
        return _trouble(site, error)
    if request.method != "POST":
        return await _show(site, link, about=(link.channel, link.topic))
    form = await _form(request)
    source = "unsubscribe" if "page" in form else "one-click"
    await _save(site, link, _ended(site, link, source))
    if "page" not in form:
        return Response(b"Unsubscribed.\n", headers=_HEADERS, media_type="text/plain")
    ended = f"Done: no more {pages.words(link.topic)} by {link.channel}."
    return await _show(site, link, said=ended)


async def preferences(request: Request) -> Response:
    """GET shows what the customer gets; POST saves what is ticked."""
    site = site_of(request)
    try:
        link = _read(site, request, "preferences")
    except BadLink as error:
        return _trouble(site, error)
    if request.method != "POST":
        return await _show(site, link)
    form = await _form(request)
    wanted = set(form.get("want", ()) if form.get("do") != ["none"] else ())
    profile = await site.away(lambda: _profile(site.store, link))
    told = changes(site.host.program, profile, wanted, site.clock.now())
    await _save(site, link, told)
    return await _show(site, link, said="Saved. Thank you.")


async def _show(
    site: Site, link: Link, *, about: tuple[str, str] | None = None, said: str = ""
) -> Response:
    profile = await site.away(lambda: _profile(site.store, link))
    links, program = _links(site), site.host.program
    view = pages.View(
        workspace=program.plan.workspace.name,
        choices=choices(program, profile),
        save_to=links.path(msgspec.structs.replace(link, kind="preferences")),
        about=about,
        end_at=links.path(msgspec.structs.replace(link, kind="unsubscribe")),
        said=said,
    )
    return _page(pages.page(view))


def _page(html: str, status: int = 200) -> Response:
    headers = {**_HEADERS, "Content-Security-Policy": pages.policy()}
    return Response(html, status, headers, media_type="text/html")


def _trouble(site: Site, error: SegueError) -> Response:
    site.metrics.add("segue_links_total", "bad")
    name = site.host.program.plan.workspace.name
    return _page(pages.trouble(name, f"{error}. Please open it from the message again."), 404)


def choices(program: Program, profile: Profile) -> list[pages.Choice]:
    """Every topic of marketing on every channel by which it reaches people."""
    found = {
        (message.topic, channel)
        for message in program.plan.messages
        if message.purpose == "marketing" and message.topic
        for channel in message.contents
        if channel in pages.CHANNEL_WORDS
    }
    return [
        pages.Choice(channel, topic, consent(program, profile, channel, topic) == "granted")
        for topic, channel in sorted(found)
    ]


def changes(program: Program, profile: Profile, wanted: set[str], now: Instant) -> list[Consented]:
    """What must be said so that exactly the wanted choices are granted (rule 3)."""
    known = choices(program, profile)
    lifted = {
        key: key.split("/", 1)
        for key, said in sorted(profile.consents.items())
        if "*" in key.split("/", 1) and said.state != "granted" and _covers(key, known, wanted)
    }
    told: list[Consented] = []
    for choice in known:
        want = f"{choice.channel}/{choice.topic}" in wanted
        if want != choice.wanted or (lifted and not want):
            told.append(_words(choice.channel, choice.topic, want, now, "preferences"))
    told += [_words(channel, topic, True, now, "preferences") for channel, topic in lifted.values()]
    return told


def _covers(key: str, known: Sequence[pages.Choice], wanted: set[str]) -> bool:
    """Whether a ban stands in the way of something wanted."""
    channel, topic = key.split("/", 1)
    return any(
        channel in ("*", choice.channel) and topic in ("*", choice.topic)
        for choice in known
        if f"{choice.channel}/{choice.topic}" in wanted
    )


def _ended(site: Site, link: Link, source: str) -> list[Consented]:
    """What a link ends: its topic; where it has none, all marketing on its channel.

    Never more than that: a letter about an order is owed, whatever else is unwanted.
    """
    program = site.host.program
    topics = (
        [link.topic]
        if link.topic
        else sorted(
            {message.topic for message in program.plan.messages if message.purpose == "marketing"}
        )
    )
    now = site.clock.now()
    return [_words(link.channel, topic, False, now, source) for topic in topics if topic]


def _words(channel: str, topic: str, want: bool, now: Instant, source: str) -> Consented:
    state: OneOf["granted", "denied"] = "granted" if want else "denied"
    return Consented(channel=channel, topic=topic, state=state, at=now, source=source)


async def _save(site: Site, link: Link, told: Sequence[Consented]) -> None:
    """Bans first, so that no moment allows what the customer does not want."""
    ordered = sorted(told, key=lambda one: one.state != "denied")
    whose = ProfileId(link.profile)
    arrivals = [Arrival(input=one, profile=whose, source=one.source) for one in ordered]
    answers = await site.bridge.ask(arrivals)
    site.metrics.received("links", answers)
    if any(answer.status != "accepted" for answer in answers):
        raise NoSuchThing("the customer of this link is not known here any more")
    site.metrics.add("segue_links_total", link.kind)


# ── clicks and opens ────────────────────────────────────────────────────────────────


async def click(request: Request) -> Response:
    """Lead on to the signed address; that it was clicked is told after the answer."""
    site = site_of(request)
    try:
        link = _read(site, request, "click")
    except BadLink as error:
        return _trouble(site, error)
    headers = {**_HEADERS, "Location": link.url}
    if request.method == "HEAD":
        return Response(status_code=302, headers=headers)
    task = BackgroundTask(_report, site, link, "clicked", "")
    return Response(status_code=302, headers=headers, background=task)


async def opened(request: Request) -> Response:
    """A picture of one point; that it was fetched is told after the answer."""
    site = site_of(request)
    try:
        link = _read(site, request, "open")
    except BadLink:
        return Response(PICTURE, headers=_HEADERS, media_type="image/gif")
    agent = request.headers.get("user-agent", "")
    reason = "machine" if not agent or MACHINES.search(agent) else ""
    task = BackgroundTask(_report, site, link, "opened", reason)
    return Response(PICTURE, headers=_HEADERS, media_type="image/gif", background=task)


async def _report(site: Site, link: Link, outcome: str, reason: str) -> None:
    said = Reported(
        send_id=link.send, outcome="clicked" if outcome == "clicked" else "opened", reason=reason
    )
    arrival = Arrival(input=said, profile=ProfileId(link.profile), source="links")
    try:
        site.metrics.received("links", await site.bridge.ask([arrival]))
        site.metrics.add("segue_links_total", "machine" if reason else link.kind)
    except SegueError:
        # The reader was led on all the same; a click that can't be saved now is not kept.
        site.metrics.add("segue_links_total", "not_saved")


# ── what all share ──────────────────────────────────────────────────────────────────


def _links(site: Site) -> Links:
    if site.settings.links is None:
        raise BadLink("this installation has no key for links")
    return site.settings.links


def _read(site: Site, request: Request, kind: Kind) -> Link:
    return _links(site).read(request.path_params["token"], kind)


async def _form(request: Request) -> Mapping[str, list[str]]:
    """The fields of a form; of a body in another form there are none."""
    body = await bodies.raw(request, limits.ASKED_BYTES_MAX)
    if "multipart" in request.headers.get("content-type", ""):
        return {}
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1_000)
    except ValueError as error:
        raise BodyUnreadable("not a form") from error
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _profile(store: Store, link: Link) -> Profile:
    whose = ProfileId(link.profile)
    heir = store.forward([whose]).get(whose, whose)
    loaded = store.load([heir]).get(heir)
    if loaded is None:
        raise NoSuchThing("the customer of this link is not known here any more")
    return loaded.profile
