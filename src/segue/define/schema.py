"""The authored form as JSON Schema, so that editors complete and check while one types.

Rule: made from the same shapes by which files are read, so it knows every key and refuses
unknown ones; what needs the whole workspace (names, expressions) is left to the checker.
"""

from collections.abc import Mapping
from typing import TypeAlias, assert_never

import msgspec

from segue.define.model import Authored
from segue.define.sections import Sections
from segue.define.shape import (
    Choice,
    Either,
    Form,
    Free,
    Named,
    Number,
    Several,
    Shape,
    Simple,
    Truth,
    fields,
    keyword,
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema: TypeAlias = dict[str, object]


def schema() -> Schema:
    """The schema of one workspace file."""
    definitions: dict[str, Schema] = {}
    top = _form(Sections, definitions)
    return {
        "$schema": DIALECT,
        "title": "Segue workspace file",
        **top,
        "$defs": dict(sorted(definitions.items())),
    }


def schema_json() -> bytes:
    """The same as bytes, laid out for reading."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2) + b"\n"


def _form(cls: type[Authored], definitions: dict[str, Schema]) -> Schema:
    known = fields(cls)
    properties = {each.key: _schema(each.shape, definitions) for each in known}
    found: Schema = {
        "type": "object",
        "description": (cls.__doc__ or "").split("\n")[0],
        "properties": properties,
        "additionalProperties": False,
    }
    required = [each.key for each in known if each.required]
    if required:
        found["required"] = required
    if not cls.shorthand:
        return found
    return {"anyOf": [found, properties[cls.shorthand]]}


def _reference(cls: type[Authored], definitions: dict[str, Schema]) -> Schema:
    name = cls.__name__.removesuffix("Form")
    if name not in definitions:
        definitions[name] = {}  # Forms hold each other; the first visit fills it in.
        definitions[name] = _form(cls, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _schema(shape: Shape, definitions: dict[str, Schema]) -> Schema:
    match shape:
        case Number(whole=whole):
            return {"type": "integer" if whole else "number"}
        case Truth():
            return {"enum": [True, False, "yes", "no", "on", "off"]}
        case Choice(words=words):
            return {"enum": [*words, *_switches(words)]}
        case Simple(leaf=leaf):
            return dict(_of(leaf.schema))
        case Several(item=item):
            one = _schema(item, definitions)
            return {"anyOf": [{"type": "array", "items": one}, one, {"type": "null"}]}
        case Named(item=item):
            inner = _schema(item, definitions)
            return {"type": ["object", "null"], "additionalProperties": inner}
        case Form(cls=cls):
            return _reference(cls, definitions)
        case Free():
            return {}
        case Either():
            return _either(shape, definitions)
        case _:
            assert_never(shape)


def _of(schema: Mapping[str, object]) -> Mapping[str, object]:
    return schema


def _switches(words: tuple[str, ...]) -> list[bool]:
    return [value for word, value in (("on", True), ("off", False)) if word in words]


def _either(shape: Either, definitions: dict[str, Schema]) -> Schema:
    options = [_schema(each, definitions) for each in shape.options]
    if shape.empty:
        options.append({"type": "null"})
    forms = [each.cls for each in shape.options if isinstance(each, Form)]
    bare = [keyword(cls) for cls in forms if _may_be_bare(cls)]
    if len(forms) > 1 and bare:
        options.append({"enum": bare})
    return options[0] if len(options) == 1 else {"anyOf": options}


def _may_be_bare(cls: type[Authored]) -> bool:
    """Whether a step may be written as its keyword alone, as `- commit`."""
    required = [each for each in fields(cls) if each.required]
    if len(required) != 1:
        return False
    return isinstance(required[0].shape, Either) and required[0].shape.empty
