"""Secrets: values that are used and never shown.

Rule: a secret comes from the environment or a file, never from a definition; `repr`, logs,
    errors and JSON show that there is one, never what it is.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

from segue.errors import ChannelMisconfigured

HUSHED_LEAST = 6
"""Signs of a secret that is looked for; shorter ones stand in any text."""

INSTEAD = "(secret)"


class Secret:
    """A key or a password. `reveal` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value, for the one place that needs it."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reveal() == self._value

    __hash__ = None  # type: ignore[assignment]  # a secret is no key of anything

    def __repr__(self) -> str:
        return "Secret(set)" if self._value else "Secret(empty)"

    __str__ = __repr__


NONE = Secret("")


def resolve(text: str, environment: Mapping[str, str]) -> Secret:
    """A secret by where it is: `env:NAME`, `file:/path`, or the value itself.

    Raises `ChannelMisconfigured` where there is nothing.
    """
    source, colon, place = text.partition(":")
    if colon and source == "env":
        value = environment.get(place, "")
        if not value:
            raise ChannelMisconfigured(f"the environment variable {place} is not set")
        return Secret(value)
    if colon and source == "file":
        try:
            return Secret(Path(place).read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            raise ChannelMisconfigured(f"no secret can be read from {place}") from error
    return Secret(text)


class Hush:
    """Finds secrets in what others say, in whatever spelling they repeat them.

    A provider that refuses a login repeats the header, where `user:password` is base64, or the
    address, where the key is quoted; in base64 it looks otherwise at each of three offsets.
    """

    def __init__(self, secrets: Iterable[Secret]) -> None:
        found = {form for each in secrets for form in _spellings(each.reveal())}
        longest_first = sorted(found, key=lambda form: (-len(form), form))
        self._any = re.compile("|".join(map(re.escape, longest_first))) if found else None

    def __call__(self, text: str) -> str:
        """The text with something else in place of every secret."""
        return text if self._any is None else self._any.sub(INSTEAD, text)


def _spellings(secret: str) -> set[str]:
    if len(secret) < HUSHED_LEAST:
        return set()
    forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    for quoted in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        forms |= {quoted, _lower_escapes(quoted)}
    for form in (secret, quote(secret, safe="")):
        forms |= _in_base64(form.encode())
    return {form for form in forms if len(form) >= HUSHED_LEAST}


def _lower_escapes(quoted: str) -> str:
    """`%3A` as `%3a`, which is as good."""
    first, *parts = quoted.split("%")
    return first + "".join(f"%{part[:2].lower()}{part[2:]}" for part in parts)


def _in_base64(value: bytes) -> set[str]:
    """What of it stands in base64 wherever it begins: signs that share no bits with neighbours."""
    forms: set[str] = set()
    for before in range(3):
        whole = bytes(before) + value
        for code in (base64.b64encode, base64.urlsafe_b64encode):
            signs = code(whole).decode().rstrip("=")
            forms.add(signs[-(-before * 8 // 6) : len(whole) * 8 // 6])
    return forms
