"""SparkPost's events: a list, each inside `msys` under the name of its class."""

from collections.abc import Mapping

from segue.channels.receipts.receipt import (
    Callback,
    Kind,
    Reason,
    Receipt,
    decoded,
    from_iso,
    from_seconds,
    listed,
    own_profile,
    own_send,
    record,
    text,
    without_own,
)

KINDS: dict[str, Kind] = {
    "injection": "queued",
    "delivery": "delivered",
    "delay": "deferred",
    "bounce": "bounced",
    "out_of_band": "bounced",
    "policy_rejection": "rejected",
    "generation_rejection": "rejected",
    "generation_failure": "failed",
    "spam_complaint": "complained",
    "list_unsubscribe": "unsubscribed",
    "link_unsubscribe": "unsubscribed",
    "open": "opened",
    "initial_open": "opened",
    "amp_open": "opened",
    "amp_initial_open": "opened",
    "click": "clicked",
    "amp_click": "clicked",
}
BOUNCES: dict[str, tuple[Kind, Reason]] = {
    "10": ("bounced", "invalid"),
    "24": ("bounced", "timed_out"),
    "25": ("bounced", "blocked"),
    "30": ("bounced", "bounced"),
    "50": ("bounced", "blocked"),
    "51": ("bounced", "spam"),
    "52": ("bounced", "spam"),
    "53": ("bounced", "blocked"),
    "54": ("bounced", "blocked"),
    "60": ("autoresponded", "other"),
    "80": ("subscribed", "other"),
    "90": ("unsubscribed", "unsubscribed"),
    "100": ("autoresponded", "other"),
}
SOFT = frozenset({"20", "21", "22", "23", "24", "40", "70"})


def read(callback: Callback, *, first_opens: bool = True) -> list[Receipt]:
    """`first_opens`: whether "initial open" counts, for whoever has turned off plain opens."""
    events: list[Mapping[str, object]] = []
    for each in listed(decoded(callback.body)):
        inside = record(record(each).get("msys"))
        events += [record(event) for event in inside.values()]
    return [_receipt(event, first_opens=first_opens) for event in events]


def _receipt(known: Mapping[str, object], *, first_opens: bool) -> Receipt:
    name, bounce = text(known.get("type")), text(known.get("bounce_class"))
    kind: Kind = KINDS.get(name, "unknown")
    reason: Reason = ""
    if kind == "bounced":
        kind, reason = BOUNCES.get(bounce, ("bounced", "other"))
    elif kind == "complained":
        reason = "spam"
    if name in {"initial_open", "amp_initial_open"} and not first_opens:
        kind = "unknown"
    metadata = record(known.get("rcpt_meta"))
    campaign = text(known.get("campaign_id"))
    stamp = known.get("timestamp")
    return Receipt(
        kind=kind,
        reason=reason,
        recipient=text(known.get("raw_rcpt_to")) or text(known.get("rcpt_to")),
        message_id=text(known.get("transmission_id")),
        event_id=text(known.get("event_id")),
        at=from_seconds(stamp) or from_iso(stamp),
        permanent=bounce not in SOFT,
        response=text(known.get("raw_reason")) or text(known.get("reason")),
        url=text(known.get("target_link_url")),
        user_agent=text(known.get("user_agent")),
        tags=(campaign,) if campaign else (),
        metadata=without_own(metadata),
        send_id=own_send(metadata),
        profile=own_profile(metadata),
    )
