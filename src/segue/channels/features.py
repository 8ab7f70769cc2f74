"""What each channel and provider can carry, as data: for the checker, the docs and the tests.

Rule 1: what a channel's contents may hold is `define.channels.CHANNELS`; a field that is not
    listed there is an error when the workspace is checked, never dropped.
Rule 2: what is listed here is what the adapter does; `tests/contract/test_channel.py` tries it.
"""

from collections.abc import Mapping

import msgspec

from segue.channels import sms
from segue.channels.template import Problem, Templates
from segue.define.channels import CHANNELS
from segue.kernel.plan import Channel, Message


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """What one provider does. `receipts` names what comes back from it."""

    title: str
    channels: tuple[Channel, ...]
    resends_safely: bool = False
    names_the_message: bool = True
    """Whether its answer holds its own name for the message."""
    receipts: tuple[str, ...] = ()
    signed_receipts: str = ""
    """How its callbacks prove where they come from; empty: they do not."""
    one_click_unsubscribe: bool = False
    tracking: bool = False
    """Whether it can track opens and clicks; off unless turned on."""
    remarks: str = ""


_MAIL = ("delivered", "bounced", "complained", "opened", "clicked", "unsubscribed")

PROVIDERS: Mapping[str, Features] = {
    "smtp": Features(
        title="SMTP",
        channels=("email",),
        one_click_unsubscribe=True,
        remarks="any mail server; bounces come back by mail, not as receipts",
    ),
    "ses": Features(
        title="Amazon SES",
        channels=("email",),
        receipts=_MAIL[:5],
        signed_receipts="SNS, by certificate",
        one_click_unsubscribe=True,
        tracking=True,
        remarks="receipts and tracking by a configuration set",
    ),
    "sendgrid": Features(
        title="SendGrid",
        channels=("email",),
        receipts=_MAIL,
        signed_receipts="ECDSA P-256",
        one_click_unsubscribe=True,
        tracking=True,
    ),
    "postmark": Features(
        title="Postmark",
        channels=("email",),
        receipts=_MAIL,
        signed_receipts="a password in the address",
        one_click_unsubscribe=True,
        tracking=True,
    ),
    "mailgun": Features(
        title="Mailgun",
        channels=("email",),
        receipts=_MAIL,
        signed_receipts="HMAC-SHA256",
        one_click_unsubscribe=True,
        tracking=True,
    ),
    "twilio": Features(
        title="Twilio",
        channels=("sms", "whatsapp"),
        receipts=("delivered", "failed"),
        signed_receipts="HMAC-SHA1",
    ),
    "http_sms": Features(
        title="Any SMS provider over HTTP",
        channels=("sms",),
        remarks="resends safely where its settings say so",
    ),
    "fcm": Features(
        title="Firebase Cloud Messaging",
        channels=("push",),
        remarks="HTTP v1; dead tokens are retired",
    ),
    "webpush": Features(
        title="Web Push",
        channels=("push",),
        remarks="VAPID, payload encrypted; dead subscriptions are retired",
    ),
    "meta_ads": Features(
        title="Meta Custom Audiences",
        channels=("ads",),
        resends_safely=True,
        remarks="people named by hashes; changes travel together",
    ),
    "google_ads": Features(
        title="Google Customer Match",
        channels=("ads",),
        resends_safely=True,
        remarks="by the Data Manager API; people named by hashes; changes travel together",
    ),
    "hubspot": Features(
        title="HubSpot",
        channels=("task",),
        remarks="tasks, and properties of the contact",
    ),
    "webhook": Features(
        title="Signed webhook",
        channels=("webhook",),
        resends_safely=True,
        names_the_message=False,
        remarks="Standard Webhooks; private networks refused unless allowed",
    ),
    "slack": Features(title="Slack", channels=("task",), names_the_message=False),
    "sandbox": Features(
        title="Sandbox",
        channels=tuple(CHANNELS),
        resends_safely=True,
        remarks="stands in for every channel without a provider; nothing leaves",
    ),
}


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """A problem in a message's contents: on which channel, in which field."""

    channel: Channel
    field: str
    problem: Problem


def check_message(message: Message, templates: Templates | None = None) -> list[Wrong]:
    """Everything wrong with what a message holds for its channels."""
    engine = templates or Templates()
    found: list[Wrong] = []
    for channel, contents in message.contents.items():
        found += _check_fields(channel, contents)
        for field, text in contents.items():
            problems = engine.check(text, field)
            found += [Wrong(channel=channel, field=field, problem=each) for each in problems]
            if channel == "sms" and not problems:
                found += _check_sms(field, text)
    return found


def _check_fields(channel: Channel, contents: Mapping[str, str]) -> list[Wrong]:
    fields = CHANNELS.get(channel)
    if fields is None:
        return [_wrong(channel, "", f"no message can be sent by the channel {channel!r}")]
    found = [
        _wrong(channel, group[0], f"{channel} needs {' or '.join(group)}")
        for group in fields.needs
        if not any(contents.get(field, "").strip() for field in group)
    ]
    if not fields.open:
        found += [
            _wrong(channel, field, f"{channel} can't carry {field!r}")
            for field in sorted(contents.keys() - set(fields.takes))
        ]
    return found


def _check_sms(field: str, text: str) -> list[Wrong]:
    """Of a text without templates, the segments are known; more than one is worth a word."""
    if "{{" in text or "{%" in text:
        return []
    counted = sms.segments(text.strip())
    if counted.count <= 1:
        return []
    said = f"{counted.count} segments ({counted.encoding}, {counted.units} units)"
    return [_wrong("sms", field, f"is billed as {said}", warning=True)]


def _wrong(channel: Channel, field: str, message: str, *, warning: bool = False) -> Wrong:
    problem = Problem(line=1, column=1, message=message, level="warning" if warning else "error")
    return Wrong(channel=channel, field=field, problem=problem)


def matrix() -> str:
    """The feature matrix as a Markdown table, for the docs."""
    heads = (
        "provider",
        "channels",
        "resends safely",
        "names the message",
        "receipts",
        "signed by",
        "one-click unsubscribe",
        "tracking",
        "remarks",
    )
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    for name, each in PROVIDERS.items():
        cells = (
            f"{each.title} (`{name}`)",
            "all" if name == "sandbox" else ", ".join(each.channels),
            _yes(each.resends_safely),
            _yes(each.names_the_message),
            ", ".join(each.receipts) or "–",
            each.signed_receipts or "–",
            _yes(each.one_click_unsubscribe),
            _yes(each.tracking),
            each.remarks,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _yes(value: bool) -> str:
    return "yes" if value else "–"
