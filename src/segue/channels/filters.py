"""Liquid filters: the library's, bounded, and those that a message needs.

Rule 1: a filter never reads a clock or a locale of the machine; zone, locale, currency and
    "now" come with the scene, which travels in the data under a name no template can write.
Rule 2: a filter gives at most what `limits.py` allows; where its result could be much larger
    than its arguments, the size is computed before the result is.
Rule 3: a missing value gives the empty text; a value of the wrong kind is an error that says so.
"""

import datetime as dt
import decimal
import functools
import zoneinfo
from collections.abc import Callable, Mapping, Sized
from typing import Any, cast
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import babel
import babel.dates
import babel.numbers
import liquid
import msgspec
from dateutil import parser as dateparser
from liquid.exceptions import FilterArgumentError, ResourceLimitError
from liquid.filter import liquid_filter, with_context
from liquid.undefined import is_undefined
from markupsafe import Markup

from segue.channels import limits
from segue.kernel.values import Instant

SCENE = "\0scene"
"""The name of the scene in the data; a NUL can't be written in a template."""

MILLISECONDS_FROM = 100_000_000_000
"""A number at least this large is milliseconds since 1970 (from 1973 on), else seconds."""

LINK_SCHEMES = frozenset({"http", "https", "mailto", "tel", "sms", ""})


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What filters know beside their arguments."""

    at: Instant | None
    zone: str
    locale: str
    currency: str


def install(environment: liquid.Environment) -> None:
    """Bound the library's filters, and add ours."""
    for name, function in list(environment.filters.items()):
        environment.filters[name] = _bounded(name, function)
    for name, ours in OURS.items():
        environment.filters[name] = liquid_filter(ours)


# ── bounds ──────────────────────────────────────────────────────────────────────────


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def bounded(left: object, *args: object, **kwargs: object) -> object:
        if isinstance(left, range) and len(left) > limits.LOOP_ITERATIONS_MAX:
            raise ResourceLimitError(f"{name}: the range is too long", token=None)
        if _size_of_result(name, left, args) > limits.OUTPUT_BYTES_MAX:
            raise ResourceLimitError(f"{name}: the result is too large", token=None)
        result: object = function(left, *args, **kwargs)
        if isinstance(result, int) and result.bit_length() > limits.INTEGER_BITS_MAX:
            raise ResourceLimitError(f"{name}: the number is too large", token=None)
        if _length(result) > limits.OUTPUT_BYTES_MAX:
            raise ResourceLimitError(f"{name}: the result is too large", token=None)
        return result

    return bounded


def _length(value: object) -> int:
    """Characters or members; a number's digits are about as many."""
    return len(cast(Sized, value)) if isinstance(value, str | list | tuple | dict) else 20


def _size_of_result(name: str, left: object, args: tuple[object, ...]) -> int:
    """An upper bound for filters whose result may be the product of their arguments."""
    match name, args:
        case "replace", (seek, put, *_):
            text = left if isinstance(left, str) else str(left)
            sought = seek if isinstance(seek, str) else str(seek)
            found = len(text) + 1 if sought == "" else text.count(sought)
            return len(text) + found * _length(put)
        case "join", (separator, *_):
            return _length(left) * _length(separator)
        case _:
            return 0


# ── ours ────────────────────────────────────────────────────────────────────────────


def _scene(context: liquid.RenderContext) -> Scene:
    return cast(Scene, context.globals[SCENE])


def _missing(value: object) -> bool:
    return value is None or value == "" or is_undefined(value)


@with_context
def money(
    amount: object,
    currency: object = None,
    *,
    context: liquid.RenderContext,
    locale: object = None,
) -> str:
    """`{{ 12.5 | money }}`, `{{ 12.5 | money: "EUR", locale: "de" }}`."""
    if _missing(amount):
        return ""
    scene = _scene(context)
    code = str(currency) if not _missing(currency) else scene.currency
    try:
        number = decimal.Decimal(str(amount).strip())
    except decimal.InvalidOperation:
        number = decimal.Decimal("NaN")
    if isinstance(amount, bool) or not number.is_finite() or abs(number.adjusted()) > 30:
        raise FilterArgumentError(f"money: not an amount: {str(amount)[:40]!r}", token=None)
    if not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise FilterArgumentError(f"money: not a currency code: {code[:40]!r}", token=None)
    written = _locale(str(locale) if not _missing(locale) else scene.locale)
    return babel.numbers.format_currency(number, code.upper(), locale=written)


@with_context
def date(moment: object, form: object, *, context: liquid.RenderContext) -> object:
    """`{{ order.at | date: "%d %B, %H:%M" }}`, in the profile's zone."""
    if _missing(moment):
        return ""
    if _missing(form):
        return str(moment)
    when = _moment(moment, _scene(context))
    if when is None:
        return str(moment)  # As Liquid has it: what is no date stays as it is.
    shape = str(form)
    if "%s" in shape:
        shape = shape.replace("%s", str(int(when.timestamp())))
    written = when.strftime(shape)
    return Markup(written) if isinstance(form, Markup) else written  # noqa: S704


@with_context
def local_date(
    moment: object, form: object = "long", *, context: liquid.RenderContext, locale: object = None
) -> str:
    """`{{ order.at | local_date: "long" }}`: as the profile's language writes a date."""
    return _written(moment, form, context, locale, time=False)


@with_context
def local_time(
    moment: object, form: object = "short", *, context: liquid.RenderContext, locale: object = None
) -> str:
    """`{{ order.at | local_time }}`: as the profile's language writes a time of day."""
    return _written(moment, form, context, locale, time=True)


def _written(
    moment: object, form: object, context: liquid.RenderContext, locale: object, *, time: bool
) -> str:
    if _missing(moment):
        return ""
    scene = _scene(context)
    when = _moment(moment, scene)
    if when is None:
        return str(moment)
    language = _locale(str(locale) if not _missing(locale) else scene.locale)
    shape = str(form)
    if time:
        return babel.dates.format_time(when.timetz(), shape, locale=language)
    return babel.dates.format_date(when.date(), shape, locale=language)


def link(address: object, **parameters: object) -> str:
    """`{{ "https://shop.example/cart" | link: utm_source: "segue", item: product.id }}`.

    Adds the parameters that are not missing, and refuses what is not a link a customer may
    follow (`javascript:` and its kin).
    """
    if _missing(address):
        return ""
    text = str(address).strip()
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise FilterArgumentError(f"link: not an address: {text[:80]!r}", token=None) from error
    if parts.scheme.lower() not in LINK_SCHEMES or any(ord(sign) < 32 for sign in text):
        raise FilterArgumentError(f"link: not a web address: {text[:80]!r}", token=None)
    added = urlencode(
        {name: _plain(value) for name, value in parameters.items() if not _missing(value)}
    )
    query = "&".join(part for part in (parts.query, added) if part)
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~-._")
    return urlunsplit((parts.scheme, parts.netloc, path, query, parts.fragment))


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


OURS: Mapping[str, Callable[..., Any]] = {
    "money": money,
    "date": date,
    "local_date": local_date,
    "local_time": local_time,
    "link": link,
}


# ── moments and languages ───────────────────────────────────────────────────────────


def _moment(value: object, scene: Scene) -> dt.datetime | None:
    """The moment in the profile's zone; one that names no zone is taken as local already."""
    zone = _zone(scene.zone)
    if isinstance(value, str) and value in {"now", "today"}:
        if scene.at is None:
            raise FilterArgumentError('date: "now" is not known here', token=None)
        value = int(scene.at)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 16:
        value = int(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        seconds = value / 1000 if abs(value) >= MILLISECONDS_FROM else value
        try:
            return dt.datetime.fromtimestamp(seconds, zone)
        except (OverflowError, ValueError, OSError):
            return None
    if not isinstance(value, str) or len(value) > 100:
        return None
    try:
        when = dateparser.parse(value, default=_default(scene))
    except (dateparser.ParserError, OverflowError, ValueError):
        return None
    return when.astimezone(zone) if when.tzinfo else when.replace(tzinfo=zone)


def _default(scene: Scene) -> dt.datetime:
    """What completes a date that leaves parts out; a clock is never asked."""
    at = dt.datetime.fromtimestamp((scene.at or 0) / 1000, _zone(scene.zone))
    return at.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)


@functools.lru_cache(1_000)
def _zone(name: str) -> dt.tzinfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return dt.UTC


@functools.lru_cache(1_000)
def _locale(name: str) -> babel.Locale:
    try:
        return babel.Locale.parse(name.replace("-", "_"))
    except (babel.UnknownLocaleError, ValueError, TypeError):
        return babel.Locale("en", "US")
