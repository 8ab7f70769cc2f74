"""YAML keeps the place of every key and value, means what YAML 1.2 says, and never raises."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from segue import define
from segue.define import build, limits, scopes, steps, workspace
from segue.define.contents import Remark
from segue.define.diagnostics import Place, Sink
from segue.define.load import finish
from segue.define.text import Row, Source, Table, Word, locate, read, scalar
from segue.errors import WorkspaceUnreadable


def tree(text: str) -> Table:
    sink = Sink()
    found = read(Source("f.yaml", text), sink)
    assert sink.found == []
    assert isinstance(found, Table)
    return found


def faults(text: str) -> list[str]:
    sink = Sink()
    read(Source("f.yaml", text), sink)
    return [each.code for each in sink.found]


def test_every_key_and_value_has_its_place() -> None:
    found = tree("a: 1\nb:\n  - x\n  - {c: 'd'}\n")
    (a, one), (b, row) = found.entries
    assert isinstance(row, Row)
    x, inner = row.items
    assert isinstance(inner, Table)
    ((c, d),) = inner.entries
    assert [each.place for each in (a, one, b, x, c, d)] == [
        Place("f.yaml", 1, 1, 2),
        Place("f.yaml", 1, 4, 5),
        Place("f.yaml", 2, 1, 2),
        Place("f.yaml", 3, 5, 6),
        Place("f.yaml", 4, 6, 7),
        Place("f.yaml", 4, 9, 12),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("on", "on"),
        ("yes", "yes"),
        ("12", 12),
        ("-3", -3),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("9e999", "9e999"),
        ("09:00", "09:00"),
        ("0x10", "0x10"),
        ("1" * 19, float("1" * 19)),
        ("text", "text"),
    ],
)
def test_plain_words_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    found = scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_a_quoted_word_is_always_text() -> None:
    assert tree("a: '12'").entries[0][1] == Word(
        Place("f.yaml", 1, 4, 8), "12", "12", Source("f.yaml", "a: '12'"), 3, 7, "quoted"
    )


def test_an_alias_is_what_it_names() -> None:
    found = tree("a: &x [1]\nb: *x\nc: &y 2\nd: *y\n")
    values = [value for _, value in found.entries]
    assert values[0] is values[1]
    assert values[2] is values[3]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [", "SEG-E102"),
        ("a: *x", "SEG-E104"),
        ("a: b: c", "SEG-E102"),
        ("\ta: 1", "SEG-E102"),
        ("a: !!int 1", "SEG-E104"),
        ("a: !x [1]", "SEG-E104"),
        ("? [a]\n: 1", "SEG-E104"),
        ("- " * (limits.DEPTH_MAX + 1) + "a", "SEG-E105"),
        ("x" * (limits.FILE_BYTES_MAX + 1), "SEG-E105"),
        ('a: "\\UFFFFFFFF"', "SEG-E102"),
    ],
)
def test_what_can_not_be_read_is_reported(text: str, code: str) -> None:
    assert faults(text) == [code]


def test_an_offset_in_a_value_is_found_in_its_source() -> None:
    text = "a: 'it''s  x'\nb: |\n  one\n  two\nc: >-\n  one\n  two\nd: one\n  two\n"
    values = [value for _, value in tree(text).entries]
    for value, letter, line, column in zip(
        values, ("x", "t", "t", "t"), (1, 4, 7, 9), (12, 3, 3, 3), strict=True
    ):
        assert isinstance(value, Word)
        found = locate(value, value.text.index(letter, 3))
        assert (found.line, found.column) == (line, column)


@given(st.binary(max_size=300))
def test_bytes_of_any_kind_never_raise(data: bytes) -> None:
    read(Source("f.yaml", data.decode(errors="surrogateescape")), Sink())
    read(Source("f.yaml", data.decode("latin-1")), Sink())


KEYS = st.sampled_from(
    [
        "workspace",
        "segments",
        "events",
        "messages",
        "policies",
        "models",
        "journeys",
        "name",
        "when",
        "on",
        "steps",
        "send",
        "wait",
        "until",
        "at_most",
        "branch",
        "otherwise",
        "adapt",
        "show",
        "at",
        "for",
        "enter",
        "exit",
        "goal",
        "within",
        "contents",
        "email",
        "subject",
        "waive",
        "cap",
        "per",
        "reenter",
        "after",
        "split",
        "weight",
        "next",
        "id",
        "goto",
        "commit",
        "repeat",
        "choose",
        "experiment",
        "variants",
        "control",
        "features",
        "cuts",
        "points",
        "scale",
        "pairs",
        "target",
        "incentive",
        "group",
        "worth",
        "lasts",
        "expires",
        "topic",
        "date",
        "offset",
        "missing",
        "window",
        "weekdays",
        "schedule",
        "segment",
        "api",
        "key",
        "priority",
        "set",
        "traits",
        "file",
    ]
)
WORDS = st.sampled_from(
    ["a", "1h", "09:00-10:00", "mon..fri", "traits.a == 1", "5%", "session", "on", "x", "-3d", ""]
)
ANY = st.recursive(
    WORDS | st.integers(-5, 200) | st.booleans() | st.none() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=40,
)


@given(st.dictionaries(KEYS, ANY, max_size=6), st.dictionaries(KEYS, ANY, max_size=6))
def test_definitions_of_any_shape_never_raise(
    top: dict[str, build.Plain], journey: dict[str, build.Plain]
) -> None:
    sink = Sink()
    written = workspace.Written.empty()
    place = Place("f.py")
    whole: build.Plain = {**top, "journeys": {"j": journey}}
    workspace.collect(build.tree(whole, place), written, sink)
    loaded = finish(written, sink, {})
    assert (loaded.plan is None) == bool(loaded.errors)
    define.render(loaded.diagnostics, loaded.sources)


@given(st.text(max_size=60))
def test_expressions_of_any_text_never_raise(text: str) -> None:
    found, sink, _ = define.check_expression(text, scopes.STEP)
    assert (found is None) == bool(sink.found)


def test_only_a_folder_that_can_not_be_read_raises(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceUnreadable):
        define.load(tmp_path / "nowhere")


def test_a_link_out_of_the_workspace_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("workspace: {name: secret}", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    folder = tmp_path / "w"
    folder.mkdir()
    (folder / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "broken.yaml").symlink_to(tmp_path / "gone.yaml")
    (folder / "inside.yaml").symlink_to(folder / "nothing.yaml")
    (folder / "loop.yaml").symlink_to(folder / "loop.yaml")
    (folder / "w.yaml").write_text(
        "workspace: {name: w}\n"
        "messages:\n"
        "  m: {topic: t, expires: 1d, contents: {sms: {body: {file: link.txt}}}}\n"
        '  n: {topic: t, expires: 1d, contents: {sms: {body: {file: "a\\0b"}}}}\n',
        encoding="utf-8",
    )
    found = [(each.code, each.place.file, each.place.line) for each in define.load(folder).errors]
    assert found == [
        ("SEG-E101", "broken.yaml", 1),
        ("SEG-E101", "inside.yaml", 1),
        ("SEG-E101", "link.yaml", 1),
        ("SEG-E101", "loop.yaml", 1),
        ("SEG-E211", "w.yaml", 3),
        ("SEG-E211", "w.yaml", 4),
    ]


def test_files_and_folders_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "FILES_MAX", 2)
    monkeypatch.setattr(workspace, "WORKSPACE_BYTES_MAX", 40)
    (tmp_path / "a.yaml").write_text("workspace: {name: w}", encoding="utf-8")
    (tmp_path / "b.yaml").write_text("segments: {}", encoding="utf-8")
    (tmp_path / "c.yaml").write_text("segments: {}", encoding="utf-8")
    assert [each.place.file for each in define.load(tmp_path).errors] == ["c.yaml"]
    (tmp_path / "b.yaml").write_text("segments: {}" + " " * 40, encoding="utf-8")
    assert [each.place.file for each in define.load(tmp_path).errors] == ["b.yaml"]
    monkeypatch.setattr(workspace, "FILE_BYTES_MAX", 30)
    assert [each.place.file for each in define.load(tmp_path).errors] == ["b.yaml", "c.yaml"]


def test_diagnostics_are_bounded_and_told_once(tmp_path: Path) -> None:
    lines = "".join(f"  s{at}: nope\n" for at in range(limits.DIAGNOSTICS_MAX + 5))
    (tmp_path / "w.yaml").write_text(
        f"workspace: {{name: w}}\nsegments:\n{lines}", encoding="utf-8"
    )
    loaded = define.load(tmp_path)
    assert len(loaded.diagnostics) == limits.DIAGNOSTICS_MAX
    assert loaded.dropped == 5
    assert loaded.plan is None
    assert loaded.hash == ""


def test_a_journey_has_a_bounded_number_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "STEPS_MAX", 2)
    shop = build.Workspace("w")
    waits = [build.wait("1h"), build.wait("1h"), build.wait("1h")]
    goal = build.goal("1d", on="C")
    shop.journey("j", enter=build.on("A"), exit="B", goal=goal, steps=waits)
    assert [each.code for each in shop.load().errors] == ["SEG-E105"]


def test_templates_are_looked_at_by_whoever_knows_them() -> None:
    shop = build.Workspace("w")
    shop.message("m", topic="t", expires="1d", contents={"sms": {"body": "{{ x"}})
    shop.part("foot", "Bye")
    loaded = shop.load(
        content=lambda channel, fields, parts: [
            Remark(field="body", message=f"{channel} {fields['body']} {parts['foot']}"),
            Remark(field="gone", message="of nothing that was written"),
        ]
    )
    assert [(each.code, each.message) for each in loaded.errors] == [
        ("SEG-E605", "of nothing that was written"),
        ("SEG-E605", "sms {{ x Bye"),
    ]


def test_a_file_that_may_not_be_looked_at_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_path: Path) -> bool:
        raise PermissionError

    shop = build.Workspace("w", folder=tmp_path)
    body: build.Plain = {"body": {"file": "b.txt"}}
    shop.message("m", topic="t", expires="1d", contents={"sms": body})
    monkeypatch.setattr(Path, "is_file", denied)
    assert [each.code for each in shop.load().errors] == ["SEG-E211"]


def test_tests_ask_no_placement_while_a_journey_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(
        "workspace: {name: w}\n"
        "journeys: {j: {enter: {api: on}, steps: [{dance: 1}]}}\n"
        "tests: {t: {steps: [{asks: top, sees: nothing}]}}\n",
        encoding="utf-8",
    )
    assert [each.code for each in define.load(tmp_path).diagnostics] == ["SEG-E201"]


def test_a_test_of_too_many_steps_is_refused(tmp_path: Path) -> None:
    steps = ", ".join(["{waits: 1s}"] * 501 + ["{expect: {held: []}}"])
    (tmp_path / "w.yaml").write_text(
        f"workspace: {{name: w}}\ntests: {{t: {{steps: [{steps}]}}}}\n", encoding="utf-8"
    )
    assert [each.code for each in define.load(tmp_path).diagnostics] == ["SEG-E105"]
