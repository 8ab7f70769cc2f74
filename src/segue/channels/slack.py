"""Messages to a Slack channel of the company's own, by incoming webhook.

Carries tasks for people (`task`) and messages of the channel `slack`. A webhook's address is a
secret. Slack has no idempotency key.
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
        foreign = sorted(letter.fields.keys() - {"text", "title", "details"})
        if foreign:
            raise Unsupported(self.name, f"the field {foreign[0]!r}")
        title, details = letter.fields.get("title", ""), letter.fields.get("details", "")
        lines = [f"*{escape(title)}*"] if title else []
        if letter.fields.get("text"):
            lines.append(escape(letter.fields["text"]))
        if letter.channel == "task" and letter.address:
            lines.append(f"For: {escape(letter.address)}")
        if details and details != "{}":
            lines.append(f"```{escape(details)}```")
        text = "\n".join(lines)
        if not text.strip():
            raise Unsupported(self.name, "a message without text")
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
