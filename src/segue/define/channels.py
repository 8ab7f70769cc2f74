"""What each channel carries: the fields of its content, and which it can't do without.

Rule: a field that a channel does not know is an error, never dropped in silence. What is
shown on a page may carry fields of the shop's own, for the page's own script.
"""

from collections.abc import Mapping

import msgspec


class Carries(msgspec.Struct, frozen=True):
    """A channel's fields. Of each group in `needs` one must be there, of `either` only one."""

    needs: tuple[tuple[str, ...], ...]
    takes: tuple[str, ...] = ()
    open: bool = False
    either: tuple[str, ...] = ()


_PAGE = Carries(
    (("title", "body", "html"),), ("title", "body", "html", "action", "url", "image"), True
)

CHANNELS: Mapping[str, Carries] = {
    "email": Carries(
        (("subject",), ("html", "mjml", "text")),
        ("subject", "html", "mjml", "text", "preview", "from", "reply_to"),
        either=("html", "mjml"),
    ),
    "sms": Carries((("body",),), ("body", "from")),
    "whatsapp": Carries((("body", "template"),), ("body", "template", "parameters")),
    "push": Carries((("body",),), ("title", "body", "url", "image", "icon", "action")),
    "web": _PAGE,
    "checkout": _PAGE,
    "inapp": _PAGE,
    "ads": Carries((("audience",),), ("audience",), True),
    "webhook": Carries((("url", "body"),), ("url", "body"), True),
    "task": Carries((("title",),), ("title", "body", "to"), True),
    "sandbox": Carries((("body", "text", "html"),), (), True),
}
