"""Goal: what the pages show works. Code blocks run, workspaces check, links lead somewhere.

A block marked `python` is run, one marked `yaml` must check clean when it is a workspace of
its own (it says `workspace:`) and parse otherwise, one marked `json` must parse. What is
meant to fail, or needs the world, is marked `text`, `bash`, or `yaml wrong`.
"""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from ruamel.yaml import YAML

from segue import wiring

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("examples/**/*.md"))
    if path.is_file()
)
_BLOCK = re.compile(r"^( *)```([a-z]+)([^\n]*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def _blocks(language: str) -> list[object]:
    found: list[object] = []
    for path in PAGES:
        text = path.read_text("utf-8")
        for block in _BLOCK.finditer(text):
            if block[2] == language and "wrong" not in block[3]:
                line = text.count("\n", 0, block.start()) + 2
                body = "\n".join(one.removeprefix(block[1]) for one in block[4].split("\n"))
                name = f"{path.relative_to(ROOT).as_posix()}:{line}"
                found.append(pytest.param(body, id=name))
    return found


@pytest.mark.parametrize("body", _blocks("python"))
def test_a_block_of_python_runs(body: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", body],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={"PATH": "", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("body", _blocks("yaml"))
def test_a_block_of_yaml_parses_and_a_whole_workspace_checks_clean(
    body: str, tmp_path: Path
) -> None:
    YAML(typ="safe").load(body)
    if re.search(r"^workspace:", body, re.MULTILINE):
        (tmp_path / "workspace.yaml").write_text(body, encoding="utf-8")
        loaded = wiring.read_workspace(tmp_path)
        assert not loaded.errors, [(each.place.line, each.message) for each in loaded.errors]


@pytest.mark.parametrize("body", _blocks("json"))
def test_a_block_of_json_parses(body: str) -> None:
    msgspec.json.decode(body)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    for found in _LINK.finditer(text):
        target = found[1].split("#")[0]
        if target and "://" not in target and not target.startswith("mailto:"):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"
