"""What a message holds for its channels: the fields each needs and takes, and what is in them.

Rule: this floor knows which fields a channel carries; what may stand in them (templates,
markup, a provider's own forms) is told by whoever calls the checker, as remarks with places
inside the field. Here they get their place in the author's file.
"""

import posixpath
from collections.abc import Callable, Iterable, Mapping

import msgspec

from segue.define import model
from segue.define.channels import CHANNELS, Carries
from segue.define.diagnostics import Place, Sink, nearest
from segue.kernel import plan

WRONG = "SEG-E605"
NOBODYS = "SEG-W707"
SEVERAL = "SEG-W708"
"""What a remark says: that a text can't be read, asks for what nobody has, is billed as several."""


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """Something about a field of a message; line and column are those of its text, from 1."""

    field: str
    message: str
    line: int = 1
    column: int = 1
    code: str = WRONG
    hint: str = ""


Content = Callable[[str, Mapping[str, str], Mapping[str, str]], Iterable[Remark]]
"""Looks at what a channel (its name, its fields) is given, and at the parts that templates may
name, and says what is wrong with it."""


def check_contents(
    message: plan.Message,
    form: model.MessageForm,
    parts: Mapping[str, str],
    sink: Sink,
    content: Content | None,
) -> None:
    """Report what no channel could carry."""
    if not message.contents:
        sink.report("SEG-E603", form.place, f"message {message.name!r} has no contents")
    for channel, fields in message.contents.items():
        place = _content_place(form, channel)
        carries = CHANNELS.get(channel)
        if carries is None:
            hint = nearest(channel, CHANNELS)
            sink.report("SEG-E405", place, f"there is no channel {channel!r}", hint)
            continue
        forms = form.contents[channel]
        _fields(channel, carries, fields, forms, place, sink)
        for remark in content(channel, fields, parts) if content is not None else ():
            where, said = _spot(forms.get(remark.field), place, remark)
            sink.report(remark.code, where, said, remark.hint)


def _fields(
    channel: str,
    carries: Carries,
    fields: Mapping[str, str],
    forms: Mapping[str, model.ContentForm],
    place: Place,
    sink: Sink,
) -> None:
    for group in carries.needs:
        if not any(fields.get(field, "").strip() for field in group):
            sink.report("SEG-E604", place, f"{channel} needs {' or '.join(group)}")
    both = [field for field in carries.either if field in fields]
    if len(both) > 1:
        said = f"{channel} takes {' or '.join(both)}, not both"
        sink.report("SEG-E604", forms[both[-1]].place, said)
    for field in fields:
        if not carries.open and field not in carries.takes:
            hint = nearest(field, carries.takes)
            sink.report("SEG-E604", forms[field].place, f"{channel} has no field {field!r}", hint)


def _content_place(form: model.MessageForm, channel: str) -> Place:
    """Where a channel's content stands: at its first field, else at all contents."""
    fields = form.contents[channel]
    return next((each.place for each in fields.values()), form.at_key("contents"))


def _spot(form: model.ContentForm | None, place: Place, remark: Remark) -> tuple[Place, str]:
    """Where a remark points to: into the field's own file, or at the field and its line."""
    if form is None:
        return place, remark.message
    if form.file is not None:
        base = posixpath.dirname(form.file.place.file)
        file = posixpath.normpath(posixpath.join(base, form.file.text))
        return Place(file, remark.line, remark.column), remark.message
    told = f"line {remark.line}: {remark.message}" if remark.line > 1 else remark.message
    return form.place, told
