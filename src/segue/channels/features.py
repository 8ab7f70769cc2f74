"""What each channel and provider can carry, as data: for the checker, the docs and the tests.

Rule 1: what a channel's contents may hold is `define.channels.CHANNELS`; a field that is not
    listed there is an error when the workspace is checked, never dropped.
Rule 2: what is listed here is what the adapter does; `tests/contract/test_channel.py` tries it.
"""

from collections.abc import Mapping

import msgspec

from segue.channels import limits, sms
from segue.channels.markup import check_email
from segue.channels.template import Problem, Templates
from segue.define.channels import CHANNELS
from segue.define.contents import NOBODYS, SEVERAL, WRONG, Remark
from segue.kernel.plan import Channel


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
    "meta_whatsapp": Features(
        title="WhatsApp Cloud API",
        channels=("whatsapp",),
        receipts=("delivered", "opened", "failed", "unsubscribed"),
        signed_receipts="HMAC-SHA256",
        remarks="Meta's own; incoming texts come with the receipts",
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


def remarks(channel: Channel, fields: Mapping[str, str], templates: Templates) -> list[Remark]:
    """What is wrong with what a channel is given, or worth a word; `define.contents.Content`."""
    found: list[Remark] = []
    for field, text in fields.items():
        problems = templates.check(text, field)
        if channel == "email" and not any(each.level == "error" for each in problems):
            problems = [*problems, *check_email(field, text, templates.parts)]
        found += [_remark(field, each) for each in problems]
        if not problems and not _is_template(text):
            found += _check_plain(channel, field, text)
    return found


def _remark(field: str, problem: Problem) -> Remark:
    code = WRONG if problem.level == "error" else NOBODYS
    return Remark(
        field=field, message=problem.message, line=problem.line, column=problem.column, code=code
    )


def _is_template(text: str) -> bool:
    return "{{" in text or "{%" in text


def _check_plain(channel: Channel, field: str, text: str) -> list[Remark]:
    """What is known of a text that is the same for everybody."""
    if channel == "sms" and field == "body":
        counted = sms.segments(text.strip())
        if counted.count > limits.SMS_SEGMENTS_MAX:
            said = f"{counted.count} segments; no provider takes more than"
            return [Remark(field=field, message=f"{said} {limits.SMS_SEGMENTS_MAX}")]
        if counted.count > 1:
            said = f"is billed as {counted.count} segments"
            said += f" ({counted.encoding}, {counted.units} units)"
            return [Remark(field=field, message=said, code=SEVERAL)]
    if channel == "whatsapp" and field == "parameters":
        try:
            msgspec.json.decode(text, type=dict[str, str])
        except msgspec.DecodeError:
            said = "a template's parameters are a JSON object of texts by their numbers"
            return [Remark(field=field, message=said, hint='write it like {"1": "Ana"}')]
    return []


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


def contents() -> str:
    """What each channel's content holds as a Markdown table, for the docs."""
    lines = ["| channel | needs | may |", "| --- | --- | --- |"]
    for name, carries in CHANNELS.items():
        needed = [field for group in carries.needs for field in group]
        groups = (" or ".join(f"`{field}`" for field in group) for group in carries.needs)
        may = ", ".join(f"`{field}`" for field in carries.takes if field not in needed)
        parts = [may] if may else []
        parts += ["any other field"] if carries.open else []
        lines.append(f"| `{name}` | {', '.join(groups)} | {' and '.join(parts) or '–'} |")
    return "\n".join(lines) + "\n"


def _yes(value: bool) -> str:
    return "yes" if value else "–"
