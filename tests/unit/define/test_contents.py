"""Contents: what a channel can't carry is refused before launch, at the place where it is written."""

from pathlib import Path

import pytest

from segue import define, wiring
from segue.define.build import Workspace
from segue.define.channels import CHANNELS

HEAD = """workspace: {name: shop}
messages:
  hello:
    topic: news
    expires: 1d
    contents:
"""


def read(folder: Path, contents: str, **files: str) -> define.Loaded:
    (folder / "workspace.yaml").write_text(HEAD + contents)
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return wiring.read_workspace(folder)


def told(loaded: define.Loaded) -> list[tuple[str, str, int, int]]:
    return [
        (each.code, each.place.file, each.place.line, each.place.column)
        for each in loaded.diagnostics
        if each.code.startswith(("SEG-E6", "SEG-E2")) or each.code in ("SEG-W707", "SEG-W708")
    ]


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        ("email: {text: x}", "email needs subject"),
        ("email: {subject: x}", "email needs html or mjml or text"),
        ("email: {subject: x, text: y, bcc: z}", "email has no field 'bcc'"),
        ("email: {subject: x, html: y, mjml: <mjml></mjml>}", "email takes html or mjml, not both"),
        ("sms: {body: x, image: y}", "sms has no field 'image'"),
        ("whatsapp: {template: HX1, language: de}", "whatsapp has no field 'language'"),
        ("whatsapp: {template: HX1, parameters: Ana}", "JSON object"),
        ("pigeon: {body: x}", "there is no channel 'pigeon'"),
    ],
)
def test_what_a_channel_can_not_carry_is_an_error(tmp_path: Path, contents: str, said: str) -> None:
    loaded = read(tmp_path, f"      {contents}\n")
    assert any(said in each.message for each in loaded.errors)
    assert loaded.plan is None


def test_a_remark_points_into_the_file_that_holds_the_text(tmp_path: Path) -> None:
    contents = "      email: {subject: Hi, mjml: {file: letters/hello.mjml}}\n"
    loaded = read(
        tmp_path, contents, letters__hello_mjml="<mjml>\n<mj-body>\n  <mj-nope/>\n</mj-body></mjml>"
    )
    assert told(loaded) == [("SEG-E605", "letters/hello.mjml", 3, 3)]
    shown = define.render(loaded.errors, loaded.sources)
    assert "letters/hello.mjml" in shown and "<mj-nope/>" in shown


def test_a_remark_on_a_text_in_yaml_names_its_line(tmp_path: Path) -> None:
    contents = "      sms:\n        body: |\n          Hi\n          {{ trait.name }}\n"
    loaded = read(tmp_path, contents)
    assert told(loaded) == [("SEG-W707", "workspace.yaml", 8, 15)]
    assert any("line 2: nothing is named 'trait'" in each.message for each in loaded.diagnostics)


def test_templates_put_in_the_parts_of_their_folder(tmp_path: Path) -> None:
    contents = "      email: {subject: Hi, html: \"{% render 'foot' %}\", text: x}\n"
    missing = read(tmp_path, contents)
    assert any("no part named 'foot'" in each.message for each in missing.errors)
    loaded = read(tmp_path, contents, parts__foot_html="<p>Bye</p>", parts__legal__long_txt="x")
    assert loaded.errors == () and loaded.plan is not None
    assert loaded.plan.parts == {"foot": "<p>Bye</p>", "legal/long": "x"}
    other = read(tmp_path, contents, parts__foot_html="<p>Goodbye</p>")
    assert other.hash != loaded.hash
    twice = read(tmp_path, contents, parts__foot_txt="x")
    assert ("SEG-E208", "parts/foot.txt", 1, 1) in told(twice)


def test_parts_of_a_workspace_in_python_are_given_by_name(tmp_path: Path) -> None:
    shop = Workspace("shop", folder=tmp_path)
    shop.part("foot", "Bye")
    loaded = shop.load()
    assert loaded.plan is not None and loaded.plan.parts == {"foot": "Bye"}


def test_every_needed_field_is_one_that_the_channel_takes() -> None:
    for name, carries in CHANNELS.items():
        for group in (*carries.needs, carries.either):
            assert carries.open or set(group) <= set(carries.takes), name
