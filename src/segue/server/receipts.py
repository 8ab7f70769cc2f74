"""What providers report back, and what customers write by text: `POST /v1/receipts/{provider}`.

Rule 1: a callback that does not prove where it comes from is answered 401 and leaves nothing
    behind but a count; a provider whose proof is not in the settings is not listened to.
Rule 2: whose send it is says what travelled with the message; where that did not come back,
    the provider's own name for the message, as the outbox knows it. What belongs to nobody is
    counted, and answered 200: sending it again would not help.
Rule 3: 200 is said after the commit. Repeats change nothing: a report only moves a send on.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal as OneOf

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from segue.channels import receipts
from segue.channels.limits import CALLBACK_BYTES_MAX
from segue.channels.receipts import Callback, Incoming, Receipt, signatures, twilio
from segue.channels.secret import Secret
from segue.errors import ForgedCallback, NoSuchThing, Unproven, UnreadableCallback
from segue.hosts.arrivals import Arrival
from segue.kernel.inputs import Consented, Event, Reported
from segue.kernel.profile import Profile
from segue.kernel.values import ProfileId
from segue.server import auth, bodies, limits
from segue.server.hooks import called
from segue.server.site import Site, site_of
from segue.stores.ports import Store

_encode = msgspec.json.Encoder().encode

CONSENT: Final[Mapping[str, OneOf["granted", "denied"]]] = {"stop": "denied", "start": "granted"}
"""What a word by text means for consent."""

REPLIES: Final[Mapping[str, str]] = {
    "stop": "{name}: you will get no more messages here. Reply START to get them again.",
    "start": "{name}: you will get our messages again. Reply STOP to end them.",
    "help": "{name}: reply STOP to get no more messages here, START to get them again.",
}
"""What is answered, where the settings say that we answer."""


async def receive(request: Request) -> Response:
    """Take one callback of a provider."""
    site = site_of(request)
    if request.method == "HEAD":
        return Response()  # Mandrill looks whether anybody is here before it believes us.
    provider: str = request.path_params["provider"]
    if request.method == "GET":
        return _challenged(site, provider, request.query_params)
    callback = await _callback(request, provider)
    try:
        found = await _proven(site, provider, callback)
    except ForgedCallback as error:
        site.metrics.add("segue_callbacks_total", provider, "forged")
        raise Unproven("the callback does not prove where it comes from") from error
    except UnreadableCallback:
        site.metrics.add("segue_callbacks_total", provider, "malformed")
        raise
    token = found[0].event_id if provider == "mailgun" and found else ""
    if token and not site.tokens.take(token):
        # Mailgun signs the token alone: whoever has seen one could put it before other words.
        site.metrics.add("segue_callbacks_total", provider, "replayed")
        return _told(0, 0)
    try:
        taken = await _take(site, provider, found)
    except BaseException:
        site.tokens.drop(token)
        raise
    if token:
        await site.away(lambda: site.tokens.learn(token, site.clock.now()))
    reader = receipts.READERS[provider]
    for said in reader.incoming(callback) if reader.incoming is not None else ():
        await _heard(site, provider, said)
    return _told(taken, len(found) - taken)


def _challenged(site: Site, provider: str, asked: Mapping[str, str]) -> Response:
    """Meta asks first whether the address is ours: by a word that both know (rule 1)."""
    word = site.settings.verify_tokens.get(provider)
    if not word:
        raise NoSuchThing("nobody may ask here whether the address is ours")
    given = asked.get("hub.verify_token", "")
    if asked.get("hub.mode") != "subscribe" or not auth.same(given, word.reveal()):
        site.metrics.add("segue_callbacks_total", provider, "forged")
        raise Unproven("the question does not prove where it comes from")
    challenge = asked.get("hub.challenge", "")[: limits.CHALLENGE_CHARACTERS_MAX]
    return Response(challenge, media_type="text/plain")


def _told(taken: int, ignored: int) -> Response:
    body = {"success": True, "taken": taken, "ignored": ignored}
    return Response(_encode(body), media_type="application/json")


async def _callback(request: Request, provider: str) -> Callback:
    site = site_of(request)
    if provider not in receipts.READERS:
        known = ", ".join(receipts.READERS)
        raise NoSuchThing(f"there is no provider {provider[:40]!r}; there are {known}")
    body = await bodies.raw(request, CALLBACK_BYTES_MAX)
    if not site.settings.receipt_secrets.get(provider):
        site.metrics.add("segue_callbacks_total", provider, "no_secret")
        raise Unproven(f"nothing that proves callbacks of {provider} is set; none are taken")
    headers = {name.lower(): value for name, value in request.headers.items()}
    url = called(request, site.settings.public_url)
    return Callback(body=body, headers=headers, url=url, at=site.clock.now())


async def _proven(site: Site, provider: str, callback: Callback) -> list[Receipt]:
    secret = site.settings.receipt_secrets[provider]
    if provider != "ses":
        return receipts.receive(provider, callback, secret)
    # Amazon signs for anybody's topic: only those that the settings name are ours.
    topics = {part.strip() for part in secret.reveal().split(",")}
    if signatures.sns_topic(callback) not in topics:
        raise ForgedCallback("a topic that the settings do not name")
    url = signatures.sns_certificate_url(callback)
    certificate = site.certificates.get(url) or await site.fetch(url)
    found = receipts.receive(provider, callback, Secret(certificate.decode("ascii", "replace")))
    if len(site.certificates) < limits.CERTIFICATES_MAX:
        site.certificates[url] = certificate
    confirmation = signatures.sns_confirmation_url(callback)
    if confirmation:
        await site.fetch(confirmation)
        site.metrics.add("segue_callbacks_total", provider, "confirmed")
    return found


async def _take(site: Site, provider: str, found: Sequence[Receipt]) -> int:
    """Hand what was reported to the profiles it is of; returns how many receipts that were."""
    told = [(receipt, said) for receipt in found if (said := receipts.reported(receipt))]
    nameless = [receipt for receipt, _ in told if not (receipt.send_id and receipt.profile)]
    named = await site.away(lambda: _named(site.store, nameless)) if nameless else {}
    arrivals: list[Arrival] = []
    for receipt, said in told:
        whose, send = ProfileId(receipt.profile), receipt.send_id
        if not (whose and send):
            whose, send = named.get(receipt.message_id, (ProfileId(""), ""))
        if whose and send:
            mine: Reported = msgspec.structs.replace(said, send_id=send)
            arrivals.append(Arrival(input=mine, profile=whose, source=provider))
    answers = await site.bridge.ask(arrivals)
    site.metrics.received(provider, answers)
    taken = sum(answer.status == "accepted" for answer in answers)
    site.metrics.add("segue_callbacks_total", provider, "taken")
    if len(told) > taken:
        unmatched = len(told) - taken
        site.metrics.add("segue_callbacks_total", provider, "unmatched", by=unmatched)
    return taken


def _named(store: Store, found: Sequence[Receipt]) -> dict[str, tuple[ProfileId, str]]:
    """Sends by what the receipts call them; a Message-ID may come with or without brackets."""
    forms = {
        form: receipt.message_id
        for receipt in found
        if receipt.message_id
        for bare in (receipt.message_id.strip("<>"),)
        for form in (bare, f"<{bare}>")
    }
    return {forms[name]: send for name, send in store.sends_named(list(forms)).items()}


# ── texts that customers write ──────────────────────────────────────────────────────


async def text(request: Request) -> Response:
    """Take a text or WhatsApp message that a customer wrote to us, from Twilio."""
    site = site_of(request)
    callback = await _callback(request, "twilio")
    try:
        said = twilio.incoming(callback, site.settings.receipt_secrets["twilio"])
    except ForgedCallback as error:
        site.metrics.add("segue_callbacks_total", "twilio", "forged")
        raise Unproven("the callback does not prove where it comes from") from error
    await _heard(site, "twilio", said)
    reply = ""
    if site.settings.text_replies and not said.answered and said.meaning in REPLIES:
        name = site.host.program.plan.workspace.name
        reply = REPLIES[said.meaning].format(name=name)
    return Response(twilio.answer(reply), media_type="application/xml")


async def _heard(site: Site, provider: str, said: Incoming) -> None:
    """Take what a customer wrote."""
    arrivals = await site.away(lambda: _said(site, provider, said))
    site.metrics.received(provider, await site.bridge.ask(arrivals))
    site.metrics.add("segue_callbacks_total", provider, "taken" if arrivals else "unmatched")


def _said(site: Site, provider: str, said: Incoming) -> list[Arrival]:
    """What it means for everyone who is known by that number."""
    known = site.store.load(site.store.reached(said.channel, said.number))
    arrivals: list[Arrival] = []
    for number, (whose, loaded) in enumerate(sorted(known.items())):
        consent = CONSENT.get(said.meaning)
        if consent is not None:
            answer = Consented(
                channel=said.channel, topic="*", state=consent, at=site.clock.now(), source="text"
            )
            arrivals.append(Arrival(input=answer, profile=whose, source=provider))
        user, anonymous = _ids(loaded.profile)
        event = Event(
            id=f"{provider}-{said.id}" + (f"-{number}" if number else ""),
            name="Text Received",
            at=site.clock.now(),
            properties={"channel": said.channel, "text": said.text, "meaning": said.meaning},
            user_id=user,
            anonymous_id=anonymous,
            source=provider,
            live=False,
        )
        arrivals.append(Arrival(input=event, profile=whose, source=provider))
    return arrivals


def _ids(profile: Profile) -> tuple[str, str]:
    """What names the profile in the log as well as here."""
    if profile.user_ids:
        return profile.user_ids[0], ""
    return "", profile.anonymous_ids[0] if profile.anonymous_ids else ""
