"""Goal: every planted bug can still be planted, so that the list is not broken unseen.

Whether the swarm finds them is told by `make mutations`; that takes long, this takes no time.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "mutations"))
import hunt
from planted import PLANTED, Mutation

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCE = ROOT / "src" / "segue"


def _mutations(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HERE / "mutations"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("mutation", PLANTED, ids=lambda one: one.name)
def test_a_planted_bug_fits_the_source_in_exactly_one_place(mutation: Mutation) -> None:
    text = (SOURCE / mutation.file).read_text("utf-8")
    changed = hunt.plant(text, mutation)
    assert changed != text
    compile(changed, mutation.file, "exec")


def test_a_bug_whose_text_is_gone_is_not_planted_unseen() -> None:
    gone = Mutation("gone", "kernel/arbiter.py", "no such text", "nothing")
    with pytest.raises(hunt.Unplantable, match="stands 0 times in"):
        hunt.plant("some source", gone)


def test_the_list_of_planted_bugs_is_long_and_names_each_once() -> None:
    names = [one.name for one in PLANTED]
    assert len(set(names)) == len(names)
    assert len(PLANTED) >= 80


def test_each_planted_bug_has_a_world_that_is_known_to_show_it() -> None:
    known = (HERE / "mutations" / "caught.json").read_text("utf-8")
    assert re.findall(r'^  "(.+?)": \[', known, re.MULTILINE) == [one.name for one in PLANTED]


def test_the_page_tells_of_each_planted_bug_which_world_shows_it() -> None:
    done = _mutations("--table")
    assert done.returncode == 0, done.stderr
    page = (ROOT / "docs" / "internals" / "simulation.md").read_text("utf-8")
    assert done.stdout.strip() in page
    assert f"{len(PLANTED)} can be planted" in page


def test_a_name_that_no_planted_bug_has_is_said_to_be_none() -> None:
    done = _mutations("no such bug")
    assert done.returncode == 1
    assert "no planted bug's name holds 'no such bug'" in done.stdout
