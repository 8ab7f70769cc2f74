"""What a message would look like to one customer, made by the code that sends it.

Rule: nothing here renders in a way of its own; a preview that differs from what leaves is worth
less than none. Only the addresses are made up, and lead nowhere.
"""

import msgspec

from segue.channels import email, fcm, limits, sms
from segue.channels.courier import ready
from segue.channels.letter import Letter
from segue.channels.template import Templates
from segue.errors import Unsupported
from segue.kernel.plan import Channel, Message, Workspace
from segue.kernel.values import Instant, Record

SENDER = email.Sender(address="shop@example.com", name="The shop")
LINK = "https://example.com/not-a-real-link"


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """A message as one channel would carry it, and what is worth knowing of it."""

    channel: Channel
    fields: dict[str, str]
    remarks: tuple[str, ...] = ()


def sample(
    workspace: Workspace, message: Message, traits: Record, event: Record, now: Instant
) -> Record:
    """What the templates see: a customer, the event that led here, the offer it carries."""
    given = message.incentive
    return {
        "traits": traits,
        "properties": event,
        "entry": event,
        "vars": event,
        "profile": {"id": "preview"},
        "message": {"name": message.name, "topic": message.topic},
        "incentive": None
        if given is None
        else {
            "name": given.name,
            "code": given.code or "SAMPLE-CODE",
            "worth": given.worth,
            "ends_at": now + given.lasts_ms,
        },
        "now": now,
        "workspace": {
            "name": workspace.name,
            "zone": workspace.zone,
            "currency": workspace.currency,
        },
        "unsubscribe_url": f"{LINK}/unsubscribe",
        "preferences_url": f"{LINK}/preferences",
        "send_id": "preview",
    }


def preview(
    message: Message, channel: Channel, templates: Templates, data: Record, now: Instant
) -> Preview:
    """One channel of a message. Raises `Unrenderable`, and `Unsupported` for what none carries."""
    if channel not in message.contents:
        raise Unsupported(channel, f"{message.name!r}: it says nothing for this channel")
    fields = ready(message.contents[channel], channel, templates, data, now)
    letter = Letter(
        id="preview",
        channel=channel,
        address="customer@example.com",
        fields=fields,
        at=now,
        message=message.name,
        topic=message.topic,
        purpose=message.purpose,
        tags=message.tags,
        unsubscribe_url=f"{LINK}/unsubscribe",
    )
    if channel == "email":
        return _email(letter)
    remarks: tuple[str, ...] = ()
    if channel == "sms":
        counted = sms.segments(sms.body_of(letter, "any provider"))
        many = "segment" if counted.count == 1 else "segments"
        remarks = (f"{counted.count} {many} ({counted.encoding}, {counted.units} units)",)
    elif channel == "push":
        fields = fcm.fields_of(letter, "any provider")
        size = sum(len(text.encode()) for text in fields.values())
        remarks = (f"{size:,} of {limits.PUSH_BYTES_MAX:,} bytes",)
    return Preview(channel=channel, fields=fields, remarks=remarks)


def _email(letter: Letter) -> Preview:
    mail = email.mail(letter, SENDER, "any provider")
    fields = {"subject": mail.subject, "text": mail.text}
    if letter.fields.get("preview", ""):
        fields["preview"] = letter.fields["preview"]
    remarks: list[str] = []
    if mail.html:
        fields["html"] = mail.html
        size = len(mail.html.encode())
        remarks.append(f"HTML of {size / 1024:.1f} KB")
        if size > limits.GMAIL_BYTES_MAX:
            remarks.append("Gmail cuts it off, for it is longer than 102 KB")
    if not letter.fields.get("text", "").strip():
        remarks.append("its text is made from the HTML")
    return Preview(channel=letter.channel, fields=fields, remarks=tuple(remarks))
