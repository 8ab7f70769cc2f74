"""Lengths of time on the command line: `30m`, `12h`, `7d`."""

import re

import click

from segue.kernel.values import DAY, HOUR, MINUTE, SECOND, Millis

_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}


class Span(click.ParamType[Millis]):
    """A number and its unit: s, m, h or d."""

    name = "span"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Millis:
        """Milliseconds; 0 needs no unit."""
        if isinstance(value, int):
            return Millis(value)
        found = re.fullmatch(r"(\d{1,6})\s*([smhd])", str(value).strip())
        if str(value).strip() == "0":
            return Millis(0)
        if found is None:
            self.fail(f"{value!r} is no length of time; write 30m, 12h or 7d", param, ctx)
        return Millis(int(found[1]) * _UNITS[found[2]])


SPAN = Span()
