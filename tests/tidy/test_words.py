"""Goal: what is written beside the code keeps its shape, and names nothing of one machine."""

import ast
import re
import tomllib

from source import ROOT, files, modules, relative, tree

REGISTRY_HOSTS = ("pypi" + ".org", "pythonhosted" + ".org", "registry.npmjs" + ".org")
MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:work|root|home/\w+|Users/\w+)/")
_BINARY = {".png", ".ico", ".gz", ".woff2", ".jpg"}
_LIMIT_FILES = "limits.py"


def _texts() -> list[tuple[str, str]]:
    found = []
    for path in files():
        if path.suffix in _BINARY or path.name == "LICENSE":
            continue
        found.append((relative(path), path.read_text(encoding="utf-8", errors="replace")))
    return found


def test_no_file_names_a_path_of_one_machine() -> None:
    wrong = [
        f"{name}: {found.group()}"
        for name, text in _texts()
        if name != "tests/tidy/test_words.py" and (found := MACHINE_PATH.search(text))
    ]
    assert not wrong, "\n".join(wrong)


def test_no_file_names_a_registry() -> None:
    wrong = [
        f"{name}: {host}" for name, text in _texts() for host in REGISTRY_HOSTS if host in text
    ]
    assert not wrong, "\n".join(wrong)


def test_locked_requirements_carry_hashes_and_no_addresses() -> None:
    for name in ("run.txt", "dev.txt"):
        text = (ROOT / "requirements" / name).read_text("utf-8")
        assert "://" not in text, name
        for pin in re.findall(r"^\S+==\S+.*(?:\n {4}.*)*", text, re.MULTILINE):
            assert "--hash=sha256:" in pin, pin


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for name, wanted in (
        ("run.txt", project["dependencies"]),
        ("dev.txt", project["dependencies"] + project["optional-dependencies"]["dev"]),
    ):
        text = (ROOT / "requirements" / name).read_text("utf-8").lower()
        for line in wanted:
            package = re.split(r"[\s<>=!;\[]", line)[0].lower().replace("_", "-").replace(".", "-")
            assert re.search(rf"^{re.escape(package)}==", text, re.MULTILINE), (
                f"{package} is not in requirements/{name}: run requirements/lock"
            )


def test_the_changelog_keeps_its_shape() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert versions and versions[0].startswith("Unreleased")
    for version in versions[1:]:
        assert re.fullmatch(r"\d+\.\d+\.\d+ — \d{4}-\d{2}-\d{2}", version), version
    allowed = {"What is new", "What changed", "What broke, and the step to take", "What was mended"}
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= allowed


def test_every_page_has_one_title() -> None:
    wrong = []
    for path in files(".md"):
        if relative(path).startswith("tests/"):
            continue
        text = re.sub(
            r"^(```|~~~).*?^\1", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE
        )
        titles = re.findall(r"^# .+$", text, re.MULTILINE)
        if len(titles) != 1 or not text.lstrip().startswith("# "):
            wrong.append(f"{relative(path)} has {len(titles)} titles")
    assert not wrong, "\n".join(wrong)


def test_every_limit_is_named_in_one_file_per_floor_and_documented() -> None:
    wrong = []
    for path in modules():
        body = tree(path).body
        for at, node in enumerate(body):
            target = node.target if isinstance(node, ast.AnnAssign) else None
            if isinstance(node, ast.Assign):
                target = node.targets[0]
            if not isinstance(target, ast.Name) or not re.fullmatch(r"[A-Z].*_MAX", target.id):
                continue
            where = f"{relative(path)}:{node.lineno} {target.id}"
            after = body[at + 1] if at + 1 < len(body) else None
            documented = (
                isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
                and isinstance(after.value.value, str)
            )
            if not documented:
                wrong.append(f"{where} does not say what happens at it")
            if path.name != _LIMIT_FILES:
                wrong.append(f"{where} belongs into the floor's limits.py")
    assert not wrong, "\n".join(wrong)


def test_packages_are_packages() -> None:
    folders = {path.parent for path in modules()}
    wrong = [relative(folder) for folder in folders if not (folder / "__init__.py").exists()]
    assert not wrong, f"no __init__.py in: {sorted(wrong)}"
