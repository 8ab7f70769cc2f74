"""Goal: what the pages show works. Code blocks run, definitions check, links lead somewhere.

A block marked `python` is run. One marked `yaml` that holds definitions must check without an
error, beside the smallest definitions of what it names and leaves out; a mapping of files must
be one. One marked `json` must parse. What is meant to fail, or needs the world, is marked
`text`, `bash`, or `yaml wrong`. Commands and settings have tests of their own beside this.
"""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from ruamel.yaml import YAML

from segue import define, wiring
from segue.connectors import items, mapping
from segue.define.channels import CHANNELS
from tests.docs.reading import PAGES, ROOT, Block, anchors, blocks, links


@pytest.mark.parametrize("block", list(blocks("python")), ids=lambda block: block.name)
def test_a_block_of_python_runs(block: Block, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.body],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={"PATH": "", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr


SECTIONS = {
    "workspace", "segments", "events", "catalogs", "models", "messages", "policies", "journeys",
    "tests",
}  # fmt: skip
_STUBS = {
    "SEG-E401": "segments: {{{name}: traits.known == true}}",
    "SEG-E403": "messages: {{{name}: {{topic: any, expires: 1d, contents: {{{contents}}}}}}}",
}
"""What a fragment may name without defining it, by the code that says that it is not there."""
_QUOTED = re.compile(r"'([^']+)'")
_CONTENTS = ", ".join(
    f"{name}: {{{', '.join(f'{group[0]}: text' for group in carries.needs)}}}"
    for name, carries in CHANNELS.items()
)


def _stub(told: define.Diagnostic) -> str:
    """A definition of what a diagnostic misses; empty where none would help."""
    name = _QUOTED.search(told.message)
    if told.code == "SEG-E417":
        return "events:\n" + told.hint.partition("\n")[2]
    if told.code not in _STUBS or name is None:
        return ""
    return _STUBS[told.code].format(name=name[1], contents=_CONTENTS)


def _around(body: str, folder: Path) -> define.Loaded:
    """A fragment in the smallest workspace that has what it names and does not define."""
    tree = YAML(typ="safe").load(body)
    (folder / "fragment.yaml").write_text(body, encoding="utf-8")
    if "workspace" not in tree:
        (folder / "workspace.yaml").write_text("workspace: {name: docs}\n", encoding="utf-8")
    loaded = wiring.read_workspace(folder)
    stubs: set[str] = set()
    while lacking := {_stub(each) for each in loaded.errors} - stubs - {""}:
        for stub in sorted(lacking):
            (folder / f"stub{len(stubs)}.yaml").write_text(stub, encoding="utf-8")
            stubs.add(stub)
        loaded = wiring.read_workspace(folder)
    return loaded


@pytest.mark.parametrize("block", list(blocks("yaml")), ids=lambda block: block.name)
def test_a_block_of_yaml_is_what_it_says(block: Block, tmp_path: Path) -> None:
    """Definitions check without an error beside what they name; the rest is a mapping of files."""
    keys = set(YAML(typ="safe").load(block.body))
    if keys <= SECTIONS:
        found = _around(block.body, tmp_path)
        assert not found.errors, define.render(found.errors, found.sources)
    elif "incentive" in keys:
        body = "messages:\n  m:\n    topic: any\n    expires: 1d\n    contents: {sms: {body: a}}\n"
        lines = "".join(f"    {line}\n" for line in block.body.split("\n"))
        found = _around(body + lines, tmp_path)
        assert not found.errors, define.render(found.errors, found.sources)
    elif "group" in keys:
        whole = next(each.body for each in blocks("yaml") if each.page == block.page)
        mapping.parse(f"{whole}\n{block.body}", block.name)
    elif "event" in keys:
        mapping.parse(block.body, block.name)
    else:
        (tmp_path / "mapping.yaml").write_text(block.body, encoding="utf-8")
        items.read_mapping(tmp_path / "mapping.yaml")


@pytest.mark.parametrize("block", list(blocks("json")), ids=lambda block: block.name)
def test_a_block_of_json_parses(block: Block) -> None:
    msgspec.json.decode(block.body)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for link in links(page):
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{page.name} links to {target}"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path), f"{page.name} links to {link}: there is no such heading"
