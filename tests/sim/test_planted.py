"""Goal: every planted bug can still be planted, so that the list is not broken unseen.

Whether the swarm finds them is told by `make mutations`; that takes long, this takes no time.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "mutations"))
from planted import PLANTED, SELDOM, Mutation

SOURCE = Path(__file__).parents[2] / "src" / "segue"


@pytest.mark.parametrize("mutation", [*PLANTED, *SELDOM], ids=lambda one: one.name)
def test_a_planted_bug_fits_the_source_in_exactly_one_place(mutation: Mutation) -> None:
    text = (SOURCE / mutation.file).read_text("utf-8")
    assert text.count(mutation.old) == 1
    changed = text.replace(mutation.old, mutation.new)
    assert changed != text
    compile(changed, mutation.file, "exec")


def test_the_list_of_planted_bugs_is_long_and_names_each_once() -> None:
    names = [one.name for one in (*PLANTED, *SELDOM)]
    assert len(set(names)) == len(names)
    assert len(PLANTED) >= 30
