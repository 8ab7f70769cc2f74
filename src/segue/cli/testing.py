"""`segue test`: the tests written in YAML beside the journeys, lived in virtual time."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import click

from segue.cli.workspace import FOLDER, checked
from segue.errors import NotHere
from segue.testing import Outcome, run_case


@click.command()
@click.argument("folder", type=FOLDER, default=".")
@click.option(
    "-k",
    "only",
    default="",
    metavar="TEXT",
    help="Only tests whose name contains this, in whatever case.",
)
@click.option(
    "--junit",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the results as JUnit XML too, for continuous integration.",
)
@click.option("--why/--no-why", default=True, help="Tell the timeline where a test fails.")
def test(folder: Path, only: str, junit: Path | None, why: bool) -> None:
    """Live the tests of the workspace in FOLDER (here, if not named).

    Tests stand under `tests:` in any of its files. Exits with 1 if one fails.

    \b
    Examples:
      segue test
      segue test shop -k cart
      segue test shop --junit results.xml
    """
    loaded = checked(folder)
    names = [name for name in loaded.cases if only.lower() in name.lower()]
    if not names:
        what = f"no test of {folder} has {only!r} in its name" if only else f"{folder} has no tests"
        raise NotHere(what, "write some under `tests:`; docs/guides/testing.md tells how")
    outcomes: list[Outcome] = []
    for name in names:
        outcome = run_case(loaded, name)
        outcomes.append(outcome)
        _tell(outcome, why=why)
    failed = sum(not outcome.passed for outcome in outcomes)
    looks = sum(outcome.looks for outcome in outcomes)
    click.echo(f"\n{len(outcomes) - failed} passed, {failed} failed, {looks} expectations")
    if junit is not None:
        _write(junit, folder, outcomes)
    click.get_current_context().exit(1 if failed else 0)


def _tell(outcome: Outcome, *, why: bool) -> None:
    mark, colour = ("✓", "green") if outcome.passed else ("✗", "red")
    click.secho(mark, fg=colour, nl=False)
    click.echo(f" {outcome.name}")
    for each in outcome.failures:
        click.echo(f"    {each.place.file}:{each.place.line}:{each.place.column}")
        click.echo(f"      expected  {each.expected}")
        click.echo(f"      seen      {each.seen}")
    if outcome.failures and why:
        for line in outcome.why.splitlines():
            click.echo(f"    {line}")


def _write(path: Path, folder: Path, outcomes: Sequence[Outcome]) -> None:
    """JUnit XML as continuous integration reads it."""
    failed = sum(not outcome.passed for outcome in outcomes)
    suite = ET.Element(
        "testsuite",
        name=f"segue test {folder}",
        tests=str(len(outcomes)),
        failures=str(failed),
        errors="0",
        skipped="0",
    )
    for outcome in outcomes:
        case = ET.SubElement(
            suite,
            "testcase",
            name=outcome.name,
            classname=outcome.place.file.removesuffix(".yaml").replace("/", "."),
            file=outcome.place.file,
            line=str(outcome.place.line),
        )
        if outcome.failures:
            said = [f"expected {one.expected}, seen {one.seen}" for one in outcome.failures]
            failure = ET.SubElement(case, "failure", message=_clean("; ".join(said)))
            failure.text = _clean(outcome.why)
    top = ET.Element("testsuites")
    top.append(suite)
    try:
        ET.ElementTree(top).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as problem:
        raise NotHere(f"{path} can't be written: {problem.strerror}", "choose another") from problem


def _clean(text: str) -> str:
    """Without the characters that XML has no way to write."""
    return "".join(char for char in text if char >= " " or char in "\n\t")
