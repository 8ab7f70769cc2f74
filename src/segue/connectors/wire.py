r"""Reading what strict JSON readers refuse, so that one bad message harms no other.

Two things happen in the wild: half an emoji in a string (`"\ud83d"`: a client cut a text),
and a message that is no JSON or nested without end. The first is mended; for the second the
batch is split at its outer brackets, without recursion, and each message read on its own.
"""

import json
import re
from typing import Any

from segue.connectors import limits

_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
_KEY = re.compile(rb'"batch"\s*:\s*\Z')


class Malformed(Exception):
    """It is not JSON; the text says where."""


def decode_leniently(body: bytes) -> Any:
    """Decode JSON whose texts may hold half characters; each becomes a question mark."""
    try:
        text = body.decode("utf-8")
        found = json.loads(text, parse_constant=_refuse)
        mended = json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")
        return json.loads(mended)
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)) from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def split(body: bytes) -> tuple[bytes, list[bytes] | None]:
    """Cut a batch into its envelope (with an empty batch) and its messages' bytes.

    None for the messages where there is no `batch` list. Raises `Malformed` where brackets
    don't match, since then nothing can be said of what belongs together.
    """
    open_brackets: list[bytes] = []
    messages: list[bytes] = []
    batch_at = started = -1
    first = last = 0
    for token in _TOKENS.finditer(body):
        mark = token.group()
        if mark in (b"{", b"["):
            at_top = len(open_brackets) == 1 and mark == b"["
            if (
                at_top
                and batch_at < 0
                and _KEY.search(body[max(0, token.start() - 64) : token.start()])
            ):
                batch_at, started, first = len(open_brackets) + 1, token.end(), token.end()
            open_brackets.append(mark)
        elif mark in (b"}", b"]"):
            opened = open_brackets.pop() if open_brackets else b""
            if opened + mark not in (b"{}", b"[]"):
                raise Malformed(f"JSON is malformed: unmatched bracket (byte {token.start()})")
            if started >= 0 and len(open_brackets) == batch_at - 1:
                _cut(messages, body[started : token.start()])
                started, last = -1, token.start()
        elif mark == b"," and started >= 0 and len(open_brackets) == batch_at:
            _cut(messages, body[started : token.start()])
            started = token.end()
    if open_brackets:
        raise Malformed("JSON is malformed: it ends before its brackets are closed")
    if batch_at < 0:
        return body, None
    return body[:first] + body[last:], messages


def _cut(messages: list[bytes], piece: bytes) -> None:
    """Keep one message; an empty list has none. One more than allowed shows the excess."""
    if (piece := piece.strip()) and len(messages) <= limits.BATCH_MESSAGES_MAX:
        messages.append(piece)
