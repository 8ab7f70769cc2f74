"""Goal: what a page tells to type can be typed: the command exists, takes these options and
arguments, and what it is given by name (a template, a mapping, a setting, a task) exists too.
"""

import re
import shlex
import tomllib
from pathlib import Path

import click
import msgspec
import pytest

from segue import cli, settings
from segue.channels.providers import SETTINGS, decode
from segue.channels.receipts import READERS
from segue.cli.workspace import templates
from segue.connectors.mapping import packaged
from segue.wiring import PACE
from tests.docs.reading import ROOT, Block, Typed, blocks, commands, text_of

_STOPS = ("|", "||", ">", "<", "&&", ";", "&", ")")
_HELP = re.compile(r"^ *((?:[A-Z_]+=\S* +)*segue .*)$", re.MULTILINE)
_TASK = re.compile(r"^([a-z-]+):.*## ", re.MULTILINE)
TASKS = set(_TASK.findall((ROOT / "Makefile").read_text("utf-8")))


def _examples() -> list[Typed]:
    """The examples of each command's own help."""
    found: list[Typed] = []
    context = click.Context(cli.segue)
    for name in cli.COMMANDS:
        command = cli.segue.get_command(context, name)
        assert command is not None
        shown = re.sub(r"\\\n *", " ", (command.help or "").partition("Examples:")[2])
        found += [
            Typed(ROOT / f"segue {name} --help", at, line, whole=True)
            for at, line in enumerate(_HELP.findall(shown), 1)
        ]
    return found


def _words(text: str) -> list[str]:
    """The words of the command alone, without variables before and what is piped behind."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if word in _STOPS or set(word) <= set("<>|&;()"):
            break
        words.append(word)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    return words


TYPED = [*commands(), *_examples()]


@pytest.mark.parametrize("typed", TYPED, ids=[each.name for each in TYPED])
def test_a_command_of_a_page_can_be_typed(typed: Typed) -> None:
    program, *words = _words(typed.text)
    if program == "make":
        asked = [word for word in words if "=" not in word and not word.startswith("-")]
        # In a sentence "make" may just be a verb.
        assert not asked or asked[0] in TASKS or not typed.whole, asked
        return
    words = [word for word in words if word not in ("...", "…")]
    command, context = _command(words)
    given, rest, _ = command.make_parser(context).parse_args(words)
    assert not rest, f"{rest} is too much"
    for option in command.params:
        value = given.get(option.name or "")
        if typed.whole and isinstance(option, click.Argument) and option.required:
            assert value not in (None, ()), f"{option.name} is missing"
        if isinstance(option.type, click.Choice) and value is not None:
            assert value in option.type.choices
    _exists(given)


def _command(words: list[str]) -> tuple[click.Command, click.Context]:
    """The command that these words name; its name is taken off them."""
    command: click.Command = cli.segue
    context = click.Context(command, info_name="segue")
    while isinstance(command, click.Group) and words and words[0] not in ("-h", "--help"):
        if words[0].startswith("-"):
            command.make_parser(context).parse_args(list(words[:2]))
            del words[: 1 if words[0] == "--version" else 2]
            continue
        name = words.pop(0)
        inner = command.get_command(context, name)
        assert inner is not None, f"there is no `segue {name}`"
        command, context = inner, click.Context(inner, parent=context, info_name=name)
    return command, context


def _exists(given: dict[str, object]) -> None:
    """Whether templates and packaged mappings have the names that are given."""
    template, mapping = given.get("template"), given.get("mapping")
    if isinstance(template, str) and template.islower():
        assert template == "list" or template in templates(), template
    if isinstance(mapping, str) and "." not in mapping and mapping.islower():
        assert mapping in packaged(), mapping


def test_the_pages_show_commands_of_every_kind() -> None:
    assert len(TYPED) > 120
    assert sum(each.whole for each in TYPED) > 80


_SET = re.compile(r"\bSEGUE_[A-Z_]+\b")
_PAGES = sorted({each.page for each in blocks("sh", "bash", "text", "toml", "")}, key=str)
_OWN = settings.NOT_SETTINGS | {"SEGUE_DATA", "SEGUE_GOLDEN"}


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_variable_of_a_page_sets_something(page: Path) -> None:
    named = dict.fromkeys(_SET.findall(text_of(page)), "")
    assert set(settings.strangers(named)) <= _OWN


@pytest.mark.parametrize("block", list(blocks("toml")), ids=lambda block: block.name)
def test_the_settings_of_a_block_of_toml_exist(block: Block) -> None:
    known = {row.name for row in settings.table()}
    for name, value in tomllib.loads(block.body).items():
        if not isinstance(value, dict):
            assert name in known, f"there is no setting {name}"
        elif name == "receipts":
            assert set(value) <= set(READERS)
        else:
            provider = value.pop("provider")
            value.pop(PACE, None)  # of the channel, not of who carries it
            assert provider in SETTINGS
            web = value.pop("web", None)
            _decoded(provider, value)
            if web is not None:
                _decoded("webpush", web)


def _decoded(provider: str, given: dict[str, object]) -> None:
    """Reads them as at the start, with some text for each secret."""
    given = {
        name: "env:A_SECRET" if re.match(r"(env|file):", str(value)) else value
        for name, value in given.items()
    }
    known = {field.encode_name for field in msgspec.structs.fields(SETTINGS[provider])}
    assert set(given) <= known, f"{provider} has no {sorted(set(given) - known)}"
    decode(provider, given, {"A_SECRET": "something"})
