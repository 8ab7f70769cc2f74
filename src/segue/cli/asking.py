"""How commands reach what they work on: the settings, and a running Segue over HTTP."""

import os
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from segue.errors import ComeLater, NotHere, Refused
from segue.kernel.values import Record, Value
from segue.settings import Settings, local_url, read, write_keys

if TYPE_CHECKING:
    import httpx  # a sixteenth of what starting takes, so it is left until it is used

T = TypeVar("T")

_PATIENCE_S = 35.0

_LATER = frozenset({429, 502, 503, 504})
"""What a Segue that is busy or restarting answers, or a gateway before it."""


def settings_of(ctx: click.Context, **flags: object) -> Settings:
    """The settings in force for this command line."""
    file = ctx.find_root().obj
    return read(os.environ, file if isinstance(file, Path) else None, flags)


class Problem(msgspec.Struct):
    """A refusal, as a running Segue words it."""

    code: str = ""
    message: str = ""
    hint: str = ""


class Running:
    """A Segue that runs, as its clients see it."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url.rstrip("/") or _kept_url(settings) or local_url(settings)
        self._token = settings.admin_token

    def send(self, path: str, body: object, answer: type[T], write_key: str) -> T:
        """Send what any client may send."""
        return self._ask("POST", path, answer, body, (write_key, ""))

    def change(self, path: str, body: object, answer: type[T]) -> T:
        """Ask for what only an administrator may."""
        return self._ask("POST", path, answer, body)

    def look(self, path: str, answer: type[T]) -> T:
        """Read what only an administrator may."""
        return self._ask("GET", path, answer)

    def _ask(
        self,
        method: str,
        path: str,
        answer: type[T],
        body: object = None,
        auth: tuple[str, str] | None = None,
    ) -> T:
        """The decoded answer.

        Raises `NotHere` where nobody answers, `Refused` for a refusal, `ComeLater` if that is
        only for the moment.
        """
        import httpx

        headers = {"Content-Type": "application/json"}
        if auth is None and self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        content = None if body is None else msgspec.json.encode(body)
        try:
            told = httpx.request(
                method,
                self.url + path,
                content=content,
                headers=headers,
                auth=auth,
                timeout=_PATIENCE_S,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            raise NotHere(
                f"no Segue answers at {self.url} ({type(problem).__name__})",
                "start one with `segue run`, or say where it is with --url",
            ) from problem
        if told.is_success:
            try:
                return msgspec.json.decode(told.content, type=answer)
            except msgspec.DecodeError:
                raise _refused(told, Problem(message="this is not the answer of a Segue")) from None
        try:
            raise _refused(told, msgspec.json.decode(told.content, type=Problem))
        except msgspec.DecodeError:
            raise _refused(told, Problem()) from None


def address_file(settings: Settings) -> Path:
    """Where a Segue that runs on a store says where it listens, for as long as it runs."""
    return Path(settings.store).with_name("url")


def _kept_url(settings: Settings) -> str:
    """The address of the Segue that runs on the store; empty where settings name one, or none."""
    usual = Settings()
    if (settings.host, settings.port) != (usual.host, usual.port):
        return ""
    try:
        told = address_file(settings).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return told if told.startswith("http://") else ""


def _refused(told: "httpx.Response", problem: Problem) -> Refused:
    message = f"{told.request.url}: {problem.message or f'HTTP {told.status_code}'}"
    hint = problem.hint or "is this address a Segue? `segue run` prints its own"
    if told.status_code in _LATER:
        return ComeLater(message, hint, _named_s(told))
    return Refused(message, hint)


def _named_s(told: "httpx.Response") -> float:
    """The seconds that `Retry-After` names, as a number or as a date; 0 where it names none."""
    said = told.headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        until = parsedate_to_datetime(said)
        now = parsedate_to_datetime(told.headers["Date"])
        return max(0.0, (until - now).total_seconds())
    except (KeyError, TypeError, ValueError):
        return 0.0


def write_key(settings: Settings) -> str:
    """A key to send events with: the first that is set, else the one kept beside the store."""
    keys = write_keys(settings, draw=False)
    if not keys:
        raise NotHere(
            "no write key is known here",
            "pass one with --key, or run this in the folder in which `segue run` was started",
        )
    return next(iter(keys))


def value(text: str) -> Value:
    """A value from the command line: JSON if it reads as JSON, else the text itself."""
    try:
        told: Value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return told


def pairs(_ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> Record:
    """`name=value` options as a record; dots make records in records."""
    record: Record = {}
    for each in given:
        name, sign, text = each.partition("=")
        if not sign or not name:
            raise click.BadParameter(f"{each!r} is not name=value", param=param)
        *path, last = name.split(".")
        at = record
        for part in path:
            inner = at.setdefault(part, {})
            if not isinstance(inner, dict):
                raise click.BadParameter(f"{part!r} is a value already", param=param)
            at = inner
        at[last] = value(text)
    return record
