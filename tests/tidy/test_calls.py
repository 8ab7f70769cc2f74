"""Goal: what could make two machines differ, or hide a decision, is called in one place only.

Each ban names what to use instead, because a rule without a way out is only an obstacle.
"""

import ast
import re

import pytest
from source import SOURCE, calls, dotted, files, modules, relative, tree

CLOCK = "src/segue/hosts/clock.py"

BANNED = {
    "time.time": "take `now` as an argument; hosts/clock.py reads the clock",
    "time.time_ns": "take `now` as an argument; hosts/clock.py reads the clock",
    "datetime.datetime.now": "take `now` as an argument; hosts/clock.py reads the clock",
    "datetime.datetime.utcnow": "take `now` as an argument; hosts/clock.py reads the clock",
    "datetime.datetime.today": "take `now` as an argument; hosts/clock.py reads the clock",
    "datetime.date.today": "take `now` as an argument; hosts/clock.py reads the clock",
    "uuid.uuid1": "derive an id from what it names (kernel/identity.py)",
    "uuid.uuid4": "derive an id from what it names (kernel/identity.py)",
    "os.urandom": "derive it, or draw it with `secrets` in wiring.py",
    "hash": "use hashlib.blake2b: `hash` differs from process to process",
    "eval": "compile the expression (define)",
    "exec": "compile the expression (define)",
    "os.getenv": "add a setting (settings.py) and pass it as an argument",
}
BANNED_MODULES = {
    "random": "draw with kernel/chance.py; a seeded world draws in sim",
    "pickle": "encode with msgspec: pickled bytes run code when read",
    "re": "use re2 for patterns that come from outside; fixed ones belong above floor 1",
}
ALLOWED: dict[str, tuple[str, ...]] = {
    "time.time": (CLOCK,),
    "time.time_ns": (CLOCK,),
    "random": ("src/segue/sim/", "src/segue/science/"),
    "re": ("src/segue/",),
    "hash": (),
}


def _allowed(what: str, file: str) -> bool:
    return any(file.startswith(one) for one in ALLOWED.get(what, ()))


def test_clocks_and_chance_stand_in_one_place() -> None:
    wrong = [
        f"{relative(path)}:{line} calls {name}: {BANNED[name]}"
        for path in modules()
        for line, name in calls(path)
        if name in BANNED and not _allowed(name, relative(path))
    ]
    assert not wrong, "\n".join(wrong)


def test_modules_that_would_break_a_replay_are_not_imported() -> None:
    wrong = [
        f"{relative(path)} imports {name}: {BANNED_MODULES[name]}"
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
        if name in BANNED_MODULES and not _allowed(name, relative(path))
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_command_line_prints() -> None:
    wrong = [
        f"{relative(path)}:{line} prints: log it, or return it"
        for path in modules()
        for line, name in calls(path)
        if name == "print" and not relative(path).startswith("src/segue/cli")
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_shell_reads_the_environment() -> None:
    wrong = [
        f"{relative(path)}:{node.lineno} reads the environment: take a setting as an argument"
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and dotted(node) == "os.environ"
        and not relative(path).startswith("src/segue/cli")
    ]
    assert not wrong, "\n".join(wrong)


def test_a_default_factory_reads_nothing_of_the_world() -> None:
    """`default_factory=list` is fine; one that reads a clock or draws an id is hidden input."""
    fine = {"list", "dict", "set", "tuple", "frozenset"}
    wrong = [
        f"{relative(path)}:{node.value.lineno} default_factory={dotted(node.value) or '…'}"
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.keyword)
        and node.arg == "default_factory"
        and dotted(node.value) not in fine
        and not (dotted(node.value)[:1].isupper() or isinstance(node.value, ast.Lambda))
    ]
    assert not wrong, "\n".join(wrong)


# ── SQL ──

_NAME = re.compile(r"^-- *name: *([a-z_]+)", re.MULTILINE)
_STATEMENT = re.compile(
    r"^\s*(SELECT\s.+\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|"
    r"CREATE\s+(TABLE|INDEX|UNIQUE)|ALTER\s+TABLE|DROP\s+(TABLE|INDEX))\b",
    re.IGNORECASE | re.DOTALL,
)


def test_sql_lives_in_sql_files() -> None:
    wrong = [
        f"{relative(path)}:{node.lineno} holds a statement: give it a name in a .sql file"
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and _STATEMENT.match(node.value)
    ]
    assert not wrong, "\n".join(wrong)


def test_every_named_query_is_used() -> None:
    sql = [path for path in files(".sql") if path.is_relative_to(SOURCE)]
    if not sql:
        pytest.skip("there are no .sql files yet")
    named = {name: path for path in sql for name in _NAME.findall(path.read_text("utf-8"))}
    assert named, "no .sql file names its queries: `-- name: load_profiles`"
    homes = tuple({SOURCE / path.relative_to(SOURCE).parts[0] for path in sql})
    code = "\n".join(
        path.read_text("utf-8")
        for path in modules()
        if any(path.is_relative_to(home) for home in homes)
    )
    families = re.findall(r"f\"([a-z]+_)\{", code)  # f"outbox_{state}" uses all of a family
    unused = [
        f"{relative(path)}: {name}"
        for name, path in named.items()
        if not re.search(rf"\b{name}\b", code) and not name.startswith(tuple(families))
    ]
    assert not unused, "\n".join(unused)
