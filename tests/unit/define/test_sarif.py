"""SARIF as its version 2.1.0 asks: what readers of it rely on, field by field.

The structs below are the part of the published structure that is written here; decoding is
strict, so a field that the standard does not know, or of another kind, fails.
"""

from pathlib import Path
from typing import Annotated, Literal as OneOf

import msgspec
from msgspec import Meta

from segue import define

GOLDEN = Path(__file__).parents[2] / "golden" / "define"
Line = Annotated[int, Meta(ge=1)]


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Text(_Strict):
    text: Annotated[str, Meta(min_length=1)]


class _Level(_Strict):
    level: OneOf["none", "note", "warning", "error"]


class _Rule(_Strict):
    id: str
    shortDescription: _Text  # noqa: N815 - names of the standard
    fullDescription: _Text  # noqa: N815
    help: _Text
    defaultConfiguration: _Level  # noqa: N815


class _Driver(_Strict):
    name: str
    rules: list[_Rule]
    version: str = ""


class _Tool(_Strict):
    driver: _Driver


class _Artifact(_Strict):
    uri: str
    uriBaseId: str  # noqa: N815


class _Region(_Strict):
    startLine: Line  # noqa: N815
    startColumn: Line  # noqa: N815
    endColumn: Line = 1  # noqa: N815


class _Physical(_Strict):
    artifactLocation: _Artifact  # noqa: N815
    region: _Region


class _Location(_Strict):
    physicalLocation: _Physical  # noqa: N815


class _Suppression(_Strict):
    kind: OneOf["inSource", "external"]


class _Result(_Strict):
    ruleId: str  # noqa: N815
    ruleIndex: int  # noqa: N815
    level: OneOf["none", "note", "warning", "error"]
    message: _Text
    locations: list[_Location]
    suppressions: list[_Suppression] = []


class _Base(_Strict):
    uri: str


class _Run(_Strict):
    tool: _Tool
    results: list[_Result]
    columnKind: OneOf["utf16CodeUnits", "unicodeCodePoints"]  # noqa: N815
    originalUriBaseIds: dict[str, _Base] = {}  # noqa: N815


class _Log(_Strict, rename={"schema": "$schema"}):
    schema: str
    version: OneOf["2.1.0"]
    runs: list[_Run]


def _run(name: str, **more: str) -> tuple[_Run, define.Loaded]:
    loaded = define.load(GOLDEN / name)
    log = msgspec.json.decode(define.as_sarif(loaded.diagnostics, **more), type=_Log)
    assert log.schema.endswith("sarif-schema-2.1.0.json")
    (run,) = log.runs
    return run, loaded


def test_every_remark_is_a_result_with_its_rule_and_place() -> None:
    run, loaded = _run("journeys")
    assert len(run.results) == len(loaded.diagnostics)
    for result, said in zip(run.results, loaded.diagnostics, strict=True):
        assert run.tool.driver.rules[result.ruleIndex].id == result.ruleId == said.code
        place = result.locations[0].physicalLocation
        assert place.artifactLocation.uri == "w.yaml"
        assert (place.region.startLine, place.region.startColumn) == (
            said.place.line,
            said.place.column,
        )
        assert said.message in result.message.text


def test_what_was_waived_is_told_as_suppressed_in_the_source() -> None:
    run, loaded = _run("journeys")
    for result, said in zip(run.results, loaded.diagnostics, strict=True):
        assert bool(result.suppressions) is (said.severity == "waived")
        assert result.level in ("error", "warning", "note")


def test_a_witness_is_part_of_the_message() -> None:
    run, _ = _run("deals")
    assert any("their page asks for 'top'" in result.message.text for result in run.results)


def test_where_the_workspace_lies_is_told_if_it_is_known() -> None:
    run, _ = _run("journeys", root="file:///shop", version="1.2.3")
    assert run.originalUriBaseIds["WORKSPACE"].uri == "file:///shop/"
    assert run.tool.driver.version == "1.2.3"
    assert (
        _run("journeys", root="file:///shop/")[0].originalUriBaseIds["WORKSPACE"].uri.endswith("p/")
    )


def test_nothing_to_say_is_a_run_without_results() -> None:
    run, _ = _run("everything")
    assert run.results == []
    assert run.tool.driver.rules == []
