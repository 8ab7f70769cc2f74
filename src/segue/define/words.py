"""The smallest things that authors write: a name, a time, a share, an expression.

Rule 1: each keeps the word it was read from, so that a later check can point at it.
Rule 2: `read` reports and returns None for what it can't read; it never guesses.
Rule 3: `schema` is the same rule for editors (JSON Schema).
"""

import re
from collections.abc import Mapping
from typing import ClassVar, Self

import msgspec

from segue.define.diagnostics import Place, Sink, nearest
from segue.define.limits import NAME_CHARS_MAX, SPAN_MS_MAX, TEXT_CHARS_MAX
from segue.define.text import Word
from segue.kernel.values import Millis

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
UNITS_MS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
PERIODS = ("session", "day", "week", "month")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_CURRENCY = re.compile(r"[A-Z]{3}")
_SPAN = re.compile(r"(?:[0-9]{1,9}(?:ms|w|d|h|m|s))+")
_PART = re.compile(r"([0-9]+)(ms|w|d|h|m|s)")
_MINUTE = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])")
_SPAN_HINT = "write it like 30m, 1h30m, 7d or 2w (units: w d h m s ms)"
_SPOKEN = re.compile(
    r"(?:an?|([0-9]{1,9})) *(?:(w)(?:eeks?)?|(d)(?:ays?)?|(h)(?:(?:ou)?rs?)?"
    r"|(m)(?:in(?:ute)?s?)?|(s)(?:ec(?:ond)?s?)?|(mon)ths?)",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"([0-9]{1,2})(?:[:.]([0-5][0-9]))? *([ap])\.?m\.?|[0-9]{1,2}:[0-5][0-9]", re.IGNORECASE
)


def span_ms(text: str) -> Millis | None:
    """Read a length of time such as `1h30m`; None where it is none."""
    if not _SPAN.fullmatch(text):
        return None
    total = sum(int(many) * UNITS_MS[unit] for many, unit in _PART.findall(text))
    return Millis(total)


def minute(text: str) -> int | None:
    """Read a local time such as `09:00` as minutes after midnight; `24:00` is the day's end."""
    found = _MINUTE.fullmatch(text)
    if found is None:
        return None
    minutes = int(found[1]) * 60 + int(found[2])
    return minutes if minutes <= 24 * 60 else None


def _meant_span(text: str) -> str:
    """A hint for a length of time as people say it."""
    spoken = _SPOKEN.fullmatch(text.strip())
    if spoken is not None and spoken[7]:
        return f"months differ in length: write {30 * int(spoken[1] or 1)}d"
    if spoken is not None:
        unit = next(each for each in spoken.groups()[1:] if each)
        return f"write {spoken[1] or 1}{unit.lower()}"
    if text.strip().isdigit():
        return f"say of what: {text}m, {text}h or {text}d"
    if _CLOCK.fullmatch(text.strip()):
        return "a time of day is waited for by a window: wait: {window: 09:00-20:00}"
    return _SPAN_HINT


def _meant_time(text: str, *, spoken: bool = False) -> str:
    """A time of day as people say it, as it is written here; empty where it is none."""
    said = _CLOCK.fullmatch(text.strip())
    if said is None or said[3] is None or not 1 <= int(said[1]) <= 12:
        return text.strip() if minute(text.strip()) is not None and not spoken else ""
    hour = int(said[1]) % 12 + (12 if said[3].lower() == "p" else 0)
    return f"{hour:02}:{said[2] or '00'}"


class Leaf(msgspec.Struct, frozen=True):
    """Something written as one word."""

    word: Word

    schema: ClassVar[Mapping[str, object]] = {"type": "string"}

    @property
    def place(self) -> Place:
        """Where it was written."""
        return self.word.place

    @classmethod
    def read(cls, word: Word, sink: Sink) -> Self | None:
        """Read it from a word, or report why not."""
        raise NotImplementedError  # pragma: no cover - every leaf has its own


class Text(Leaf, frozen=True):
    """Words for people, or the name of an event."""

    text: str

    schema: ClassVar[Mapping[str, object]] = {"type": ["string", "number"]}

    @classmethod
    def read(cls, word: Word, sink: Sink) -> Self | None:
        """Any text but an empty or a boundless one."""
        if word.value is None or isinstance(word.value, bool) or not word.text.strip():
            sink.report("SEG-E203", word.place, "a text is expected here")
            return None
        if len(word.text) > TEXT_CHARS_MAX:
            sink.report("SEG-E105", word.place, f"longer than {TEXT_CHARS_MAX} characters")
            return None
        return cls(word, word.text)


class Body(Leaf, frozen=True):
    """Content of a message: a Liquid template of any length."""

    text: str

    schema: ClassVar[Mapping[str, object]] = {"type": ["string", "number"]}

    @classmethod
    def read(cls, word: Word, sink: Sink) -> Self | None:
        """Any text; nothing is an empty one."""
        if isinstance(word.value, bool):
            sink.report("SEG-E203", word.place, "a text is expected here")
            return None
        return cls(word, "" if word.value is None else word.text)


class Name(Leaf, frozen=True):
    """What a definition, a step, a channel or a placement is called by."""

    text: str

    schema: ClassVar[Mapping[str, object]] = {"type": ["string", "number"]}

    @classmethod
    def read(cls, word: Word, sink: Sink) -> Self | None:
        """Letters, digits, `-`, `_` and `.`; bounded."""
        if len(word.text) > NAME_CHARS_MAX or not _NAME.fullmatch(word.text):
            sink.report(
                "SEG-E209",
                word.place,
                f"{word.text[:NAME_CHARS_MAX]!r} can't be a name",
            )
            return None
        return cls(word, word.text)


class Expr(Leaf, frozen=True):
    """An expression, not yet read."""

    text: str

    schema: ClassVar[Mapping[str, object]] = {"type": ["string", "number", "boolean"]}

    @classmethod
    def read(cls, word: Word, sink: Sink) -> Self | None:
        """Any text; `expressions.check` reads it."""
        if word.value is None:
            sink.report("SEG-E203", word.place, "an expression is expected here")
            return None
        return cls(word, word.text)


class Span(Leaf, frozen=True):
    """A length of time."""

    ms: Millis

    schema: ClassVar[Mapping[str, object]] = {
        "type": "string",
        "pattern": r"^([0-9]+(ms|w|d|h|m|s))+$",
    }

    @classmethod
    def read(cls, word: Word, sink: Sink) -> Self | None:
        """More than nothing, at most ten years."""
        ms = span_ms(word.text)
        if ms is None:
            message = f"{word.text[:40]!r} is no length of time"
            sink.report("SEG-E205", word.place, message, _meant_span(word.text))
            return None
        if not 0 < ms <= SPAN_MS_MAX:
            sink.report(
                "SEG-E207", word.place, "a time must be more than nothing, at most 10 years"
            )
            return None
        return cls(word, ms)


class Offset(Leaf, frozen=True):
    """A length of time before (`-3d`) or after (`3d`) something."""

    ms: Millis

    schema: ClassVar[Mapping[str, object]] = {
        "type": ["string", "number"],
        "pattern": r"^([-+]?([0-9]+(ms|w|d|h|m|s))+|0)$",
    }

    @classmethod
    def read(cls, word: Word, sink: Sink) -> Self | None:
        """A signed span; a bare 0 is one."""
        unsigned = word.text[1:] if word.text[:1] in ("-", "+") else word.text
        ms = Millis(0) if unsigned == "0" else span_ms(unsigned)
        if ms is None or ms > SPAN_MS_MAX:
            sink.report(
                "SEG-E205",
                word.place,
                f"{word.text[:40]!r} is no offset in time",
                "write it like -3d (before) or 2h (after)",
            )
            return None
        return cls(word, Millis(-ms) if word.text.startswith("-") else ms)


class Minute(Leaf, frozen=True):
    """A local time of day."""

    minutes: int

    schema: ClassVar[Mapping[str, object]] = {
        "type": "string",
        "pattern": r"^([01]?[0-9]|2[0-3]):[0-5][0-9]$",
    }

    @classmethod
    def read(cls, word: Word, sink: Sink) -> Self | None:
        """From 00:00 to 23:59."""
        minutes = minute(word.text)
        if minutes is None or minutes == 24 * 60:
            sink.report(
                "SEG-E206",
                word.place,
                f"{word.text[:40]!r} is no time of day",
                f"write {_meant_time(word.text, spoken=True) or 'it like 09:00 or 21:30'}",
            )
            return None
        return cls(word, minutes)


class Hours(Leaf, frozen=True):
    """A window of local time; it spans midnight where its end comes first."""

    start: int
    end: int

    schema: ClassVar[Mapping[str, object]] = {
        "type": "string",
        "pattern": r"^([01]?[0-9]|2[0-4]):[0-5][0-9] *- *([01]?[0-9]|2[0-4]):[0-5][0-9]$",
    }

    @classmethod
    def read(cls, word: Word, sink: Sink) -> Self | None:
        """Two times that differ."""
        first, _, second = word.text.partition("-")
        start, end = minute(first.strip()), minute(second.strip())
        if start is None or end is None or start in (end, 24 * 60):
            meant = (_meant_time(first), _meant_time(second))
            hint = "write it like 09:00-20:00, or 21:00-08:00 to span midnight"
            if all(meant) and meant[0] != meant[1]:
                hint = "write " + "-".join(meant)
            message = f"{word.text[:40]!r} is no window of time"
            sink.report("SEG-E206", word.place, message, hint)
            return None
        return cls(word, start, end)


class Days(Leaf, frozen=True):
    """A weekday, or a run of them: `mon`, `mon..fri`."""

    numbers: tuple[int, ...]

    schema: ClassVar[Mapping[str, object]] = {
        "type": "string",
        "pattern": r"^(mon|tue|wed|thu|fri|sat|sun)(\.\.(mon|tue|wed|thu|fri|sat|sun))?$",
    }

    @classmethod
    def read(cls, word: Word, sink: Sink) -> Self | None:
        """Monday is 1; `fri..mon` goes through the weekend."""
        first, dots, second = word.text.partition("..")
        ends = (first, second) if dots else (first, first)
        for end in ends:
            if end not in WEEKDAYS:
                short = [each[:3].lower() for each in ends]
                hint = nearest(end, WEEKDAYS)
                if all(each in WEEKDAYS for each in short):
                    hint = "write " + "..".join(short[: len(ends) if dots else 1])
                sink.report("SEG-E206", word.place, f"{end[:40]!r} is no weekday", hint)
                return None
        start, stop = (WEEKDAYS.index(end) for end in ends)
        length = (stop - start) % 7 + 1
        return cls(word, tuple((start + day) % 7 + 1 for day in range(length)))


class Currency(Leaf, frozen=True):
    """A currency by its three capital letters (ISO 4217)."""

    text: str

    schema: ClassVar[Mapping[str, object]] = {"type": "string", "pattern": "^[A-Z]{3}$"}

    @classmethod
    def read(cls, word: Word, sink: Sink) -> Self | None:
        """Its form alone: which ones exist changes by the year."""
        if not _CURRENCY.fullmatch(word.text):
            message = f"{word.text[:40]!r} is no currency"
            sink.report("SEG-E203", word.place, message, "write its three letters: EUR, USD, GBP")
            return None
        return cls(word, word.text)


class Share(Leaf, frozen=True):
    """A share of customers: `5%`, or 0.05."""

    ppm: int

    schema: ClassVar[Mapping[str, object]] = {
        "type": ["string", "number"],
        "pattern": r"^[0-9]+(\.[0-9]+)?%$",
    }

    @classmethod
    def read(cls, word: Word, sink: Sink) -> Self | None:
        """From none to all, kept in parts per million."""
        ppm = -1.0
        if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?%", word.text):
            ppm = float(word.text[:-1]) * 10_000
        elif isinstance(word.value, int | float) and not isinstance(word.value, bool):
            ppm = word.value * 1_000_000
        if not 0 <= ppm <= 1_000_000:
            sink.report(
                "SEG-E207",
                word.place,
                f"{word.text[:40]!r} is no share",
                "write it like 5% or 0.05",
            )
            return None
        return cls(word, round(ppm))


class Period(Leaf, frozen=True):
    """What a cap counts over: a session, a local calendar period, or a rolling window."""

    period: str
    ms: Millis

    schema: ClassVar[Mapping[str, object]] = {
        "type": "string",
        "pattern": r"^(session|day|week|month|([0-9]+(ms|w|d|h|m|s))+)$",
    }

    @classmethod
    def read(cls, word: Word, sink: Sink) -> Self | None:
        """One of the words, or a span."""
        if word.text in PERIODS:
            return cls(word, word.text, Millis(0))
        ms = span_ms(word.text)
        if ms is None or not 0 < ms <= SPAN_MS_MAX:
            sink.report(
                "SEG-E205",
                word.place,
                f"{word.text[:40]!r} is no period",
                "write session, day, week, month, or a rolling window such as 24h or 7d",
            )
            return None
        return cls(word, "window", ms)
