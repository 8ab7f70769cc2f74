"""Diagnostics as SARIF 2.1.0 (OASIS, 2020), which code hosts and editors show beside the lines.

Rule: waived remarks are told as suppressed in the source, so that a reader sees what was
waived; columns count characters, as `Place` does.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias
from urllib.parse import quote

import msgspec

from segue.define.codes import CODES, Rule
from segue.define.diagnostics import PAGE, Diagnostic

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
VERSION = "2.1.0"
_ROOT = "WORKSPACE"

Json: TypeAlias = "dict[str, object]"


def as_sarif(diagnostics: Iterable[Diagnostic], *, root: str = "", version: str = "") -> bytes:
    """One run of the checker. `root` is the workspace's folder as a file URI, where it is known."""
    found = list(diagnostics)
    codes = sorted({each.code for each in found})
    driver: Json = {"name": "segue check", "rules": [_rule(code, CODES[code]) for code in codes]}
    if version:
        driver["version"] = version
    run: Json = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, codes.index(each.code)) for each in found],
    }
    if root:
        run["originalUriBaseIds"] = {_ROOT: {"uri": root if root.endswith("/") else f"{root}/"}}
    log: Json = {"$schema": SCHEMA, "version": VERSION, "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(log), indent=2)


def _rule(code: str, rule: Rule) -> Json:
    hint = f" What to do: {rule.hint}." if rule.hint else ""
    return {
        "id": code,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.explanation},
        "help": {"text": f"{rule.explanation}{hint} See {PAGE}#{code.lower()}."},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(each: Diagnostic, index: int) -> Json:
    place = each.place
    region: dict[str, int] = {"startLine": place.line, "startColumn": place.column}
    if place.end > place.column:
        region["endColumn"] = place.end
    said = [each.message, *each.witness, *([f"Hint: {each.hint}"] if each.hint else [])]
    artifact: Mapping[str, str] = {"uri": quote(place.file), "uriBaseId": _ROOT}
    found: Json = {
        "ruleId": each.code,
        "ruleIndex": index,
        "level": CODES[each.code].severity if each.severity == "waived" else each.severity,
        "message": {"text": "\n".join(said)},
        "locations": [{"physicalLocation": {"artifactLocation": artifact, "region": region}}],
    }
    if each.severity == "waived":
        found["suppressions"] = [{"kind": "inSource"}]
    return found
