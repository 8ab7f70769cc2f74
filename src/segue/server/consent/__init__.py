"""The pages on which customers say what they want to hear, as HTML: no script, no login.

Rule 1: everything that comes from data is escaped (`Markup.format` does it).
Rule 2: complete in itself: one style, named by its hash in the content security policy, so
    nothing foreign is loaded and nothing can run.
"""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from importlib import resources

import msgspec
from markupsafe import Markup


class Choice(msgspec.Struct, frozen=True):
    """One topic on one channel, and whether the customer gets it."""

    channel: str
    topic: str
    wanted: bool


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows. `about` is the channel and topic that a link asks to end."""

    workspace: str
    choices: Sequence[Choice]
    save_to: str
    about: tuple[str, str] | None = None
    end_at: str = ""
    said: str = ""


CHANNEL_WORDS = {"email": "Email", "sms": "Text", "whatsapp": "WhatsApp", "push": "Push"}
"""What people call the channels that can be chosen."""

_PAGE = Markup(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<p class="from">{workspace}</p>
<h1>{title}</h1>
{body}</main>
</body>
</html>
"""
)
_SAID = Markup('<section class="said" role="status"><p>{said}</p></section>\n')
_END = Markup(
    """<section aria-labelledby="end">
<h2 id="end">Stop {topic} by {channel}?</h2>
<p class="soft">You will get no more of these messages. Nothing changes until you say so.</p>
<form method="post" action="{end_at}">
<input type="hidden" name="page" value="1">
<button>Unsubscribe</button>
</form>
</section>
"""
)
_CHOICES = Markup(
    """<section aria-labelledby="choose">
<h2 id="choose">Choose what you get</h2>
<form method="post" action="{save_to}">
<table>
<caption>Tick what you want to hear about, and how.</caption>
<thead><tr><th scope="col"><span class="hidden">Topic</span></th>{heads}</tr></thead>
<tbody>
{rows}</tbody>
</table>
<div class="acts">
<button name="do" value="save">Save</button>
<button class="quiet" name="do" value="none">Unsubscribe from all of these</button>
</div>
</form>
</section>
"""
)
_HEAD = Markup('<th scope="col">{channel}</th>')
_ROW = Markup('<tr><th scope="row">{topic}</th>{cells}</tr>\n')
_CELL = Markup(
    '<td><label><span class="hidden">{topic} by {channel}</span>'
    '<input type="checkbox" name="want" value="{value}"{checked}></label></td>'
)
_NO_CELL = Markup('<td><span class="hidden">not sent this way</span></td>')
_FOOTER = Markup(
    "<footer><p>Messages about your orders and your account are not part of this list.</p>"
    "</footer>\n"
)


def page(view: View) -> str:
    """The page as HTML."""
    body = Markup("")
    if view.said:
        body += _SAID.format(said=view.said)
    if view.about is not None:
        channel, topic = view.about
        body += _END.format(topic=words(topic), channel=_by(channel), end_at=view.end_at)
    if view.choices:
        body += _table(view)
        body += _FOOTER
    return _whole("Your messages", view.workspace, body)


def trouble(workspace: str, said: str) -> str:
    """A page that says what is wrong."""
    body = Markup("<section><p>{said}</p></section>\n").format(said=said)
    return _whole("This did not work", workspace, body)


def _whole(title: str, workspace: str, body: Markup) -> str:
    style = Markup(_style())  # noqa: S704 - our own file
    return str(_PAGE.format(title=title, workspace=workspace, body=body, style=style))


def _table(view: View) -> Markup:
    channels = [one for one in CHANNEL_WORDS if any(c.channel == one for c in view.choices)]
    topics = list(dict.fromkeys(choice.topic for choice in view.choices))
    known = {(choice.topic, choice.channel): choice for choice in view.choices}
    rows = Markup("")
    for topic in topics:
        cells = Markup("").join(_cell(known.get((topic, channel))) for channel in channels)
        rows += _ROW.format(topic=words(topic), cells=cells)
    heads = Markup("").join(_HEAD.format(channel=CHANNEL_WORDS[one]) for one in channels)
    return _CHOICES.format(save_to=view.save_to, heads=heads, rows=rows)


def _cell(choice: Choice | None) -> Markup:
    if choice is None:
        return _NO_CELL
    return _CELL.format(
        topic=words(choice.topic),
        channel=_by(choice.channel),
        value=f"{choice.channel}/{choice.topic}",
        checked=Markup(" checked") if choice.wanted else "",
    )


def words(topic: str) -> str:
    """A topic's name as people read it."""
    return topic.replace("-", " ").replace("_", " ").strip().capitalize() or "All messages"


def _by(channel: str) -> str:
    found = CHANNEL_WORDS.get(channel, channel)
    return found if found == "WhatsApp" else found.lower()


@cache
def _style() -> str:
    file = resources.files("segue.server.consent").joinpath("page.css")
    return file.read_text(encoding="utf-8")


@cache
def policy() -> str:
    """The content security policy of the pages."""
    named = b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{named}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
