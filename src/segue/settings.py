"""What whoever runs Segue can set: one table, read once, passed on as arguments.

Rule 1: `Settings` is the table: a field is a setting, with its default, kind, bounds and help.
    `docs/reference/settings.md` is made from it, and a test fails when one is missing.
Rule 2: a flag wins over the environment (`SEGUE_PORT`), that over `segue.toml` (`port = 80`),
    that over the default. A secret may also come from a file: `SEGUE_SMTP_PASSWORD_FILE`.
Rule 3: nothing else in Segue reads the environment; nobody reads a setting twice.
Rule 4: a setting that is wrong or unknown is an error before anything starts; secrets are
    never printed, not in errors either.
"""

import difflib
import os
import secrets
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal as OneOf

import msgspec
from msgspec import Meta

from segue.errors import BadSetting

PREFIX = "SEGUE_"
FILE = "segue.toml"
WRITE_KEY_FILE = "write-key"
"""Beside the store: the write key that was drawn when none is set."""

LINK_KEY_FILE = "link-key"
"""Beside the store: the key that signs links, likewise."""

NOT_SETTINGS = frozenset({"SEGUE_DATA", "SEGUE_SETTINGS"})
"""Names with our prefix that are no settings: the tests' data sets, the settings' own file."""

_SECRET = {"secret": True}


def _help(text: str, **bounds: Any) -> Meta:
    return Meta(description=text, **bounds)


def _secret(text: str) -> Meta:
    return Meta(description=text, extra=_SECRET)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of an installation."""

    store: Annotated[
        str, _help("The SQLite file that remembers everything. Its folder is made if need be.")
    ] = ".segue/segue.sqlite"
    host: Annotated[
        str, _help("The address to listen on. 0.0.0.0 lets other machines in.", min_length=1)
    ] = "127.0.0.1"
    port: Annotated[int, _help("The port to listen on.", ge=1, le=65_535)] = 8400
    public_url: Annotated[
        str,
        _help("How the outside reaches Segue, for links in messages. Empty: `http://host:port`."),
    ] = ""
    write_keys: Annotated[
        str,
        _secret(
            "The keys that clients send events with, separated by commas; each may be written"
            " `key=source` to say what sends with it. Empty: one is drawn, and kept beside the"
            " store."
        ),
    ] = ""
    admin_token: Annotated[
        str,
        _secret(
            "What whoever reads profiles or changes anything must show. Empty: only this"
            " machine may, through its loopback address."
        ),
    ] = ""
    origins: Annotated[
        str,
        _help("Web origins that may send events from a browser, separated by commas; * is all."),
    ] = "*"
    simulate: Annotated[
        bool, _help("Drive a new store with simulated shoppers until someone sends real events.")
    ] = True
    watch: Annotated[
        bool, _help("Publish the workspace again when its files change and check clean.")
    ] = True
    deliver: Annotated[
        OneOf["sandbox", "live"],
        _help(
            "`sandbox` keeps every message to be looked at and sends none; `live` hands them to"
            " the providers that are set up, and keeps those of channels without a provider."
        ),
    ] = "sandbox"
    smtp_host: Annotated[str, _help("The mail server for the email channel.")] = ""
    smtp_port: Annotated[int, _help("The port of the mail server.", ge=1, le=65_535)] = 587
    smtp_security: Annotated[
        OneOf["starttls", "tls", "none"], _help("How the connection to it is protected.")
    ] = "starttls"
    smtp_user: Annotated[str, _help("The user to log in as; empty: no login.")] = ""
    smtp_password: Annotated[str, _secret("The password to log in with.")] = ""
    email_from: Annotated[
        str, _help("Who email is from: `Shop <hello@shop.example>`. Needed to deliver live.")
    ] = ""
    email_reply_to: Annotated[str, _help("Where answers go; empty: to `email_from`.")] = ""
    channels: Annotated[
        str,
        _help(
            "A TOML file that names the provider of each channel with its settings, and under"
            " `[receipts]` what proves each provider's callbacks. See docs/channels."
        ),
    ] = ""
    test_recipients: Annotated[
        str,
        _help(
            "Test mode: only these recipients are reached, everybody else's messages are kept in"
            " the sandbox. Addresses, or domains as `@team.example`, separated by commas. Empty:"
            " everybody is reached."
        ),
    ] = ""
    link_key: Annotated[
        str,
        _secret(
            "The key that signs unsubscribe, preference and tracking links. Empty: one is drawn,"
            " and kept beside the store. Links in messages that were sent stop working when it"
            " changes."
        ),
    ] = ""
    track_clicks: Annotated[
        bool, _help("Lead the links of an email's HTML through Segue, so that clicks are known.")
    ] = True
    track_opens: Annotated[
        bool, _help("Put a tiny picture into an email's HTML, so that opens are known.")
    ] = True
    text_replies: Annotated[
        bool,
        _help(
            "Answer STOP, START and HELP by text ourselves. Off where the provider does, as"
            " Twilio does unless it was told not to; consent follows either way."
        ),
    ] = False
    shopify_secret: Annotated[
        str, _secret("What Shopify signs its webhooks with. Empty: none are taken.")
    ] = ""
    stripe_secret: Annotated[
        str, _secret("Stripe's signing secret of the endpoint, `whsec_…`. Empty: none are taken.")
    ] = ""
    hubspot_secret: Annotated[
        str, _secret("The client secret of the HubSpot app. Empty: none of its webhooks are taken.")
    ] = ""
    customers_by: Annotated[
        OneOf["id", "email"],
        _help(
            "What a customer of Shopify, Stripe or HubSpot is known by: the source's own id, or"
            " the email address, where several sources tell of the same people."
        ),
    ] = "id"
    marketing_topics: Annotated[
        str,
        _help("The topics that a shop's one switch for marketing is for, separated by commas."),
    ] = "marketing"
    shop: Annotated[
        str,
        _help(
            "The folder of a demo storefront, served at /shop: `examples/shop/site` of a checkout."
            " Empty, as in production: none."
        ),
    ] = ""
    log_level: Annotated[
        OneOf["debug", "info", "warning", "error"], _help("How much is written to the log.")
    ] = "warning"

    def __repr__(self) -> str:
        """Everything but the secrets, so that no log and no error can tell one."""
        shown = [
            f"{row.name}={'(set)' if row.secret else repr(getattr(self, row.name))}"
            for row in table()
            if getattr(self, row.name) != row.default
        ]
        return f"Settings({', '.join(shown)})"


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table."""

    name: str
    default: str | int | bool
    help: str
    kind: str
    secret: bool = False

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.name.upper()


def table() -> tuple[Setting, ...]:
    """Every setting, in the order in which they are declared."""
    return tuple(_rows())


def _rows() -> Iterator[Setting]:
    described = msgspec.json.schema(Settings)["$defs"]["Settings"]["properties"]
    for field in msgspec.structs.fields(Settings):
        facts = described[field.name]
        yield Setting(
            name=field.name,
            default=field.default,
            help=facts["description"],
            kind=_kind(facts),
            secret=_is_secret(field.type),
        )


def _kind(facts: Mapping[str, Any]) -> str:
    if "enum" in facts:
        return " or ".join(f"`{choice}`" for choice in sorted(facts["enum"]))
    if facts["type"] == "boolean":
        return "on or off"
    if "minimum" in facts:
        return f"number from {facts['minimum']} to {facts['maximum']}"
    return {"string": "text", "integer": "number"}[str(facts["type"])]


def _is_secret(annotated: Any) -> bool:
    return any(isinstance(meta, Meta) and meta.extra == _SECRET for meta in annotated.__metadata__)


_TABLE = table()
_NAMES = {row.name for row in _TABLE}
_ON = {"on": True, "true": True, "yes": True, "1": True}
_OFF = {"off": False, "false": False, "no": False, "0": False}


def read(
    environment: Mapping[str, str],
    file: Path | None = None,
    flags: Mapping[str, object] | None = None,
) -> Settings:
    """Settings from flags, environment and file; raises `BadSetting` naming where it stands.

    `file` is read if given, else `SEGUE_SETTINGS` if set, else `segue.toml` of the current
    folder if there is one. A flag that is None was not given.
    """
    found: dict[str, object] = {}
    origins: dict[str, str] = {}
    for origin, values in (
        _from_file(environment, file),
        ("environment", _from_environment(environment)),
        ("flag", {name: value for name, value in (flags or {}).items() if value is not None}),
    ):
        found |= values
        origins |= dict.fromkeys(values, origin)
    for name in found:
        if name not in _NAMES:
            raise BadSetting(f"{origins[name]}: there is no setting named {name!r}{_near(name)}")
    for row in _TABLE:
        if row.name in found:
            found[row.name] = _convert(row, found[row.name], origins[row.name])
    return Settings(**found)  # type: ignore[arg-type]


def local_url(settings: Settings) -> str:
    """Where a Segue with these settings answers on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{settings.port}"


def write_keys(settings: Settings, *, draw: bool) -> dict[str, str]:
    """Each write key and the source it names; where none is set, one is drawn and kept."""
    keys: dict[str, str] = {}
    for part in settings.write_keys.split(","):
        key, _, source = part.strip().partition("=")
        if key:
            keys[key] = source or "api"
    if keys:
        return keys
    file = Path(settings.store).parent / WRITE_KEY_FILE
    if not file.exists() and not draw:
        return {}
    return {_drawn(file, f"wk_{secrets.token_urlsafe(18)}"): "api"}


def link_key(settings: Settings) -> str:
    """The key that signs links; where none is set, one is drawn and kept."""
    drawn = secrets.token_urlsafe(32)
    return settings.link_key or _drawn(Path(settings.store).parent / LINK_KEY_FILE, drawn)


def _drawn(file: Path, fresh: str) -> str:
    """What a file holds; a new one, which only its owner may read, gets `fresh`."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(f"{fresh}\n")
    return file.read_text(encoding="utf-8").strip()


def channels_of(settings: Settings) -> dict[str, dict[str, object]]:
    """The tables of the channels' file, by name; nothing where none is named.

    Secrets in it are written `env:NAME` or `file:/path`, so the file itself holds none.
    """
    if not settings.channels:
        return {}
    path = Path(settings.channels)
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise BadSetting(f"{path}: can't be read: {problem.strerror}") from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise BadSetting(f"{path}: is not TOML: {problem}") from problem
    for name, table_of in found.items():
        if not isinstance(table_of, dict):
            raise BadSetting(f"{path}: {name} must be a table: [{name}]")
    return found


def listed(text: str) -> tuple[str, ...]:
    """The parts of a setting that is a list, separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def strangers(environment: Mapping[str, str]) -> list[str]:
    """Variables with our prefix that set nothing: probably mistyped."""
    known = {row.variable for row in _TABLE} | NOT_SETTINGS
    known |= {f"{row.variable}_FILE" for row in _TABLE if row.secret}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def _near(name: str) -> str:
    close = difflib.get_close_matches(name, _NAMES, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _from_file(environment: Mapping[str, str], file: Path | None) -> tuple[str, dict[str, object]]:
    wanted = file or (Path(named) if (named := environment.get("SEGUE_SETTINGS")) else None)
    path = wanted or Path(FILE)
    if wanted is None and not path.exists():
        return str(path), {}
    try:
        return str(path), tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise BadSetting(f"{path}: can't be read: {problem.strerror}") from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise BadSetting(f"{path}: is not TOML: {problem}") from problem


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    """Values of `SEGUE_*`; unknown names are left to `strangers`: other tools may set them."""
    found: dict[str, object] = {}
    for row in _TABLE:
        if row.variable in environment:
            found[row.name] = environment[row.variable]
        elif row.secret and (named := environment.get(f"{row.variable}_FILE")):
            try:
                found[row.name] = Path(named).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as problem:
                raise BadSetting(f"{row.variable}_FILE: {named} can't be read") from problem
    return found


def _convert(row: Setting, value: object, origin: str) -> object:
    """The value as the table wants it; the value itself is not told where it is a secret."""
    if isinstance(row.default, bool) and isinstance(value, str):
        value = (_ON | _OFF).get(value.lower(), value)
    try:
        field = Settings.__annotations__[row.name]
        return msgspec.convert(value, field, strict=False)
    except msgspec.ValidationError as problem:
        shown = "" if row.secret else f", not {value!r}"
        raise BadSetting(
            f"{origin}: {row.name} must be {row.kind.replace('`', '')}{shown}"
        ) from problem


def _shown(default: str | int | bool) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"`{default}`" if default != "" else "empty"


def reference() -> str:
    """The page `docs/reference/settings.md`."""
    lines = [
        "# Settings",
        "",
        "A flag wins over the environment, the environment over `segue.toml` in the folder in",
        "which Segue is started, that over the default. A secret can also be read from a file:",
        "add `_FILE` to its variable. `segue doctor` shows what is in force.",
        "",
        "This page is made from `src/segue/settings.py` by `make docs`.",
        "",
        "| setting | variable | kind | default |",
        "| --- | --- | --- | --- |",
    ]
    for row in _TABLE:
        default = _shown(row.default)
        lines.append(f"| [`{row.name}`](#{row.name}) | `{row.variable}` | {row.kind} | {default} |")
    for row in _TABLE:
        secret = " It is a secret: never shown, never logged." if row.secret else ""
        lines += ["", f"## {row.name}", "", f"{row.help}{secret}"]
    return "\n".join(lines) + "\n"
