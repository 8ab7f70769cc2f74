"""Tasks for people at the company, in a Slack channel of theirs, by incoming webhook.

A webhook's address is a secret. Slack has no idempotency key.
"""

import msgspec

from segue.channels import limits
from segue.channels.letter import Letter, Reply, Request, accepted, by_status, refused
from segue.channels.secret import Secret
from segue.errors import Unsupported
from segue.hosts.ports import Outcome


class SlackSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An incoming webhook's address."""

    webhook_url: Secret


class Slack:
    """Speaks Slack's incoming webhooks."""

    name = "slack"
    resends_safely = False

    def __init__(self, settings: SlackSettings) -> None:
        self.settings = settings

    def compose(self, letter: Letter) -> Request:
        title = letter.fields.get("title", "")
        if not title.strip():
            raise Unsupported(self.name, "a task without a title")
        to = letter.fields.get("to", "") or letter.address
        lines = [f"*{escape(title)}*", escape(letter.fields.get("body", ""))]
        lines.append(f"For: {escape(to)}" if to else "")
        for name, value in letter.fields.items():
            if name not in {"title", "body", "to"} and value not in {"", "{}"}:
                lines.append(f"{escape(name)}: {escape(value)}")
        text = "\n".join(line for line in lines if line)
        if len(text) > limits.SLACK_CHARACTERS_MAX:
            text = text[: limits.SLACK_CHARACTERS_MAX - 20] + "\n… (cut)"
        return Request(
            method="POST",
            url=self.settings.webhook_url.reveal(),
            headers={"Content-Type": "application/json"},
            body=msgspec.json.encode({"text": text}),
        )

    def interpret(self, reply: Reply) -> Outcome:
        if reply.status == 200:
            return accepted()
        if reply.status == 410:
            return refused("slack: the channel is archived")
        return by_status(reply, self.name)


def escape(text: str) -> str:
    """Text as Slack shows it: `<!channel>` in a customer's name must not call everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
