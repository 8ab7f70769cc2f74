"""Liquid templates: what an author writes becomes what a customer reads.

Rule 1: strict about the template (an unknown tag, filter or part is an error, also on a path
    that is not taken), lenient about the data (what is missing renders empty).
Rule 2: bounded. Loop turns of a whole field, output, what is assigned, numbers, nesting and
    the template itself have limits (`limits.py`), so that no template can stop the host.
Rule 3: closed. Data is plain records; there is no file, no clock, no object behind it. "Now"
    is the instant at which the message leaves, handed in. `catalog.products[id]` is looked up
    when it is asked for, as the item is then; nothing lists a catalog.
Rule 4: a field named `html` or `mjml`, or ending in `_html`, is HTML: what comes from data is
    escaped in it. Every other field is text and left as it is.
Rule 5: parsed templates are kept by their content, so a message costs its parsing once.
"""

import difflib
import functools
from collections.abc import Callable, Iterator, Mapping
from io import StringIO
from typing import Literal as OneOf, TextIO, TypeAlias

import liquid
import msgspec
from liquid.exceptions import (
    LiquidError,
    LoopIterationLimitError,
    ResourceLimitError,
    TemplateNotFoundError,
)
from liquid.output import LimitedStringIO
from liquid.static_analysis import TemplateAnalysis

from segue.channels import filters, limits
from segue.errors import Unrenderable
from segue.kernel.functions import spelled
from segue.kernel.values import Instant, Record, Value

ROOTS = frozenset(
    {
        "traits",
        "properties",
        "entry",
        "vars",
        "profile",
        "session",
        "message",
        "incentive",
        "workspace",
        "context",
        "now",
        "catalog",
        "unsubscribe_url",
        "preferences_url",
        "send_id",
    }
)
"""What a template can reach; anything else that it did not assign is missing for ever."""


LookUp: TypeAlias = Callable[[str, str], Record]
"""An item by catalog and id; empty where there is none."""


class Locality(msgspec.Struct, frozen=True, kw_only=True):
    """How money and dates are written where the profile does not say."""

    zone: str = "UTC"
    currency: str = "USD"
    locale: str = "en_US"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong with a template, and where: line and column start at 1."""

    line: int
    column: int
    message: str
    level: OneOf["error", "warning"] = "error"


class _Catalogs(Mapping[str, object]):
    """`catalog` in a template: its members are catalogs, and theirs are items, by id."""

    def __init__(self, look_up: LookUp, catalog: str = "") -> None:
        self._look_up = look_up
        self._catalog = catalog

    def __getitem__(self, key: str) -> object:
        if not self._catalog:
            return _Catalogs(self._look_up, str(key))
        found = self._look_up(self._catalog, spelled(key) or "")
        if not found:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __str__(self) -> str:
        return ""


class _Context(liquid.RenderContext):
    """Counts the turns of all loops of a field, one after the other as well as nested."""

    __slots__ = ("turns",)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # pyright: ignore
        # Shared with the contexts of included parts, which are copies of this one.
        parent = self.parent_context
        self.turns: list[int] = parent.turns if isinstance(parent, _Context) else [0]

    def raise_for_loop_limit(self, length: int = 1) -> None:
        self.turns[0] += length
        if self.turns[0] > limits.LOOP_ITERATIONS_MAX:
            raise LoopIterationLimitError(
                f"more than {limits.LOOP_ITERATIONS_MAX} loop turns", token=None
            )

    def get_buffer(self, buf: TextIO | None = None) -> StringIO:
        carry = buf.size if isinstance(buf, LimitedStringIO) else 0
        return LimitedStringIO(limit=limits.OUTPUT_BYTES_MAX - carry, newline="")


class _Template(liquid.BoundTemplate):
    context_class = _Context

    def _get_buffer(self) -> StringIO:
        # The library's own buffer would turn every CR LF of a template into LF.
        return LimitedStringIO(limit=limits.OUTPUT_BYTES_MAX, newline="")


class _Environment(liquid.Environment):
    """The library's engine, bounded, with Segue's filters."""

    template_class = _Template
    block_nesting_limit = limits.NESTING_MAX
    context_depth_limit = limits.DEPTH_MAX
    loop_iteration_limit = limits.LOOP_ITERATIONS_MAX
    local_namespace_limit = limits.LOCALS_BYTES_MAX
    output_stream_limit = limits.OUTPUT_BYTES_MAX


def is_html(field: str) -> bool:
    """Whether a field is HTML (rule 4)."""
    return field in ("html", "mjml") or field.endswith("_html")


class Templates:
    """Renders and checks templates; `parts` are what `{% render "name" %}` may include."""

    def __init__(
        self,
        parts: Mapping[str, str] | None = None,
        locality: Locality | None = None,
        look_up: LookUp | None = None,
    ) -> None:
        """`look_up` finds the items of catalogs; without it there are none."""
        self._catalogs = _Catalogs(look_up or (lambda _catalog, _item: {}))
        self.locality = locality or Locality()
        self.parts: Mapping[str, str] = dict(parts or {})
        self._html = _environment(self.parts, html=True)
        self._text = _environment(self.parts, html=False)
        self._kept = functools.lru_cache(limits.PARSED_TEMPLATES_MAX)(self._parse)

    def render(
        self, fields: Mapping[str, str], data: Record, at: Instant | None = None
    ) -> dict[str, str]:
        """Render every field with the same data; `at` is what "now" means in it.

        Raises `Unrenderable` naming the field and line; no field is given then.
        """
        known: dict[str, object] = {**data, filters.SCENE: self._scene(data, at)}
        known["catalog"] = self._catalogs
        return {name: self._render_field(name, text, known) for name, text in fields.items()}

    def check(self, text: str, field: str = "text") -> list[Problem]:
        """Everything that is wrong with a template, before it is ever rendered."""
        if len(text) > limits.TEMPLATE_CHARACTERS_MAX:
            return [
                Problem(
                    line=1,
                    column=1,
                    message=f"longer than {limits.TEMPLATE_CHARACTERS_MAX} characters",
                )
            ]
        environment = self._html if is_html(field) else self._text
        try:
            template = environment.from_string(text)
            analysis = template.analyze(include_partials=False)
        except LiquidError as error:
            return [_problem(error, text)]
        return [
            *_unknown_filters(analysis, environment, text),
            *self._missing_parts(template, text),
            *_unknown_roots(analysis, text),
        ]

    def asked(self, text: str) -> frozenset[tuple[str, str]]:
        """What a template looks at, as root and field: `entry.name`; nothing of a broken one."""
        try:
            analysis = self._text.from_string(text).analyze(include_partials=False)
        except LiquidError:
            return frozenset()
        paths = [use.segments for uses in analysis.globals.values() for use in uses]
        return frozenset(
            (str(path[0]), path[1]) for path in paths if len(path) > 1 and isinstance(path[1], str)
        )

    def _render_field(self, name: str, text: str, known: dict[str, object]) -> str:
        try:
            if len(text) > limits.TEMPLATES_KEPT_CHARACTERS_MAX:
                template = self._parse(text, is_html(name))
            else:
                template = self._kept(text, is_html(name))
            return template.render(known)
        except LiquidError as error:
            found = _problem(error, text)
            raise Unrenderable(name, found.line, found.message) from error
        except (ArithmeticError, ValueError, TypeError, RecursionError, MemoryError) as error:
            # A filter of the library that met data it does not expect.
            raise Unrenderable(name, 0, f"{type(error).__name__}: {error}") from error

    def _parse(self, text: str, html: bool) -> liquid.BoundTemplate:
        if len(text) > limits.TEMPLATE_CHARACTERS_MAX:
            raise ResourceLimitError(
                f"longer than {limits.TEMPLATE_CHARACTERS_MAX} characters", token=None
            )
        environment = self._html if html else self._text
        template = environment.from_string(text)
        analysis = template.analyze(include_partials=False)
        for problem in _unknown_filters(analysis, environment, text):
            raise _Located(problem)
        return template

    def _scene(self, data: Record, at: Instant | None) -> filters.Scene:
        """Zone, locale and currency: the profile's own, else the workspace's, else ours."""
        profile, traits = _record(data.get("profile")), _record(data.get("traits"))
        workspace = _record(data.get("workspace"))
        return filters.Scene(
            at=at,
            zone=_text(profile.get("zone"), workspace.get("zone"), self.locality.zone),
            locale=_text(profile.get("locale"), traits.get("locale"), self.locality.locale),
            currency=_text(workspace.get("currency"), self.locality.currency),
        )

    def _missing_parts(self, template: liquid.BoundTemplate, text: str) -> list[Problem]:
        try:
            template.analyze(include_partials=True)
        except LiquidError as error:
            return [_problem(error, text)]
        return []


def _environment(parts: Mapping[str, str], html: bool) -> _Environment:
    environment = _Environment(
        autoescape=html, strict_filters=True, loader=liquid.DictLoader(dict(parts))
    )
    filters.install(environment)
    return environment


class _Located(LiquidError):
    """A problem found by analysis, raised like one found by the parser."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message, token=None)
        self.problem = problem


def _problem(error: LiquidError, text: str) -> Problem:
    if isinstance(error, _Located):
        return error.problem
    message = str(error.args[0]) if error.args else type(error).__name__
    if isinstance(error, TemplateNotFoundError):
        message = f"there is no part named {message!r}"
    place = (1, 1)
    if error.token is not None and 0 <= error.token.start_index <= len(text):
        place = _place(text, error.token.start_index)
        if error.template_name and error.token.source != text:
            message = f"in part {str(error.template_name)!r}: {message}"
    return Problem(line=place[0], column=place[1], message=message)


def _place(text: str, index: int) -> tuple[int, int]:
    before = text[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


def _unknown_filters(
    analysis: TemplateAnalysis, environment: liquid.Environment, text: str
) -> list[Problem]:
    problems: list[Problem] = []
    for name, spans in sorted(analysis.filters.items()):
        if name not in environment.filters:
            line, column = _place(text, spans[0].index)
            message = f"unknown filter {name!r}{_meant(name, environment.filters)}"
            problems.append(Problem(line=line, column=column, message=message))
    return problems


def _unknown_roots(analysis: TemplateAnalysis, text: str) -> list[Problem]:
    problems: list[Problem] = []
    for name, uses in sorted(analysis.globals.items()):
        if name not in ROOTS:
            line, column = _place(text, uses[0].span.index)
            problems.append(
                Problem(
                    line=line,
                    column=column,
                    message=f"nothing is named {name!r}: it always renders empty"
                    + _meant(name, ROOTS),
                    level="warning",
                )
            )
    return problems


def _meant(name: str, known: Mapping[str, object] | frozenset[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.7)
    return f"; did you mean {close[0]!r}?" if close else ""


def _record(value: Value) -> Mapping[str, Value]:
    return value if isinstance(value, Mapping) else {}


def _text(*values: Value) -> str:
    return next((value for value in values if isinstance(value, str) and value), "")


_DEFAULT = Templates()


def render(fields: Mapping[str, str], data: Record, at: Instant | None = None) -> dict[str, str]:
    """Render with no parts and the default locality."""
    return _DEFAULT.render(fields, data, at)


def check_template(text: str, field: str = "text") -> list[Problem]:
    """Check with no parts."""
    return _DEFAULT.check(text, field)
