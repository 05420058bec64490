"""What the README promises: its commands, options, pictures and programs are there and work."""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
from deconvviz_cli.main import main
from PIL import Image

from deconvviz.data.images import sample_path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PICTURES = sorted(set(re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", README)))
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
LINKS = sorted(set(re.findall(r"(?<!!)\[[^\]]+\]\(([^)\s#]+)\)", README)))
MIB = 2**20


def calls() -> list[str]:
    """Every ``deconvviz ...`` line that stands in a code block."""
    lines = re.findall(r"^(?: {4}|)(?:\$ )?(?:.*&& )?(deconvviz .*)$", README, flags=re.MULTILINE)
    return sorted({line.split(" #")[0].strip() for line in lines})


def leaves(group: click.Group, above: str = "") -> dict[str, click.Command]:
    """Every command by what is typed for it, those of groups too: ``atlas scan``."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= leaves(command, f"{above}{name} ")
        else:
            found[f"{above}{name}"] = command
    return found


COMMANDS = leaves(main)


def options(command: click.Command) -> list[click.Option]:
    return [option for option in command.params if isinstance(option, click.Option)]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_mentioned(name):
    assert f"deconvviz {name}" in README


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_is_explained_by_help(name):
    command = COMMANDS[name]
    text = command.get_help(click.Context(command, info_name=name))
    assert command.help
    for option in options(command):
        assert option.help, option.name
        assert option.help[0].isupper() or "." in option.help
        for spelling in (*option.opts, *option.secondary_opts):
            assert spelling.startswith("--")
            assert re.search(rf"^  (--[a-z-]+(, | / ))?{spelling}\b", text, flags=re.MULTILINE), spelling


def test_options_of_one_name_mean_the_same_everywhere():
    meanings: dict[str, set[tuple[object, ...]]] = {}
    for name, command in COMMANDS.items():
        for option in options(command):
            if name == "train-classifier" and option.opts[0] in ("--model", "--weights", "--out"):
                continue  # these say what to start from and where the run goes, not what to look at
            if name in ("export", "train-decoder", "atlas scan", "atlas merge") and option.opts[0] == "--out":
                continue  # no figure but a weights file, a run's folder or an atlas
            own = ("--model", "--weights", "--input-size", "--seed")
            if name in ("atlas render", "atlas figure") and option.opts[0] in own:
                continue  # by default those of the scan
            if option.opts[0] in (
                "--model",
                "--input-size",
                "--weights",
                "--seed",
                "--device",
                "--layer",
                "--out",
            ):
                meaning = (option.help, option.default, option.metavar, option.multiple)
                meanings.setdefault(option.opts[0], set()).add(meaning)
    assert len(meanings) == 7
    assert {name: len(found) for name, found in meanings.items()} == dict.fromkeys(meanings, 1)


@pytest.mark.parametrize("line", calls())
def test_shown_commands_are_spelt_right(line):
    name, *words = shlex.split(line)[1:]
    if name in ("--help", "--version"):
        return
    if isinstance(main.commands[name], click.Group):
        name = f"{name} {words.pop(0)}"
    with COMMANDS[name].make_context(name, words) as context:
        assert context.params


def test_every_option_that_is_explained_exists():
    known = {opt for command in COMMANDS.values() for option in options(command) for opt in option.opts}
    assert set(re.findall(r"`(--[a-z][a-z-]*)", README)) <= known | {"--help", "--version"}


def test_pictures():
    assert PICTURES
    sizes = []
    for name in PICTURES:
        path = ROOT / name
        assert path.parent == ROOT / "assets" / "figures"
        assert path.is_file(), name
        if path.suffix == ".png":
            with Image.open(path) as picture:
                picture.load()
                assert "deconvviz" in picture.text["Software"], f"{name} does not say what made it"
        sizes.append(path.stat().st_size)
        assert sizes[-1] < 6 * MIB, name
    assert sum(sizes) < 10 * MIB


def test_every_picture_is_shown():
    there = {
        str(path.relative_to(ROOT)) for path in (ROOT / "assets" / "figures").iterdir() if path.is_file()
    }
    assert there == set(PICTURES)


def test_links_lead_somewhere():
    for link in LINKS:
        assert "://" in link or (ROOT / link).exists(), link


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_programs_run(program, tmp_path, monkeypatch):
    wants = re.search(r"^# needs: *(.+)$", program, flags=re.MULTILINE)
    if wants:
        pytest.skip(f"needs {wants[1]}")
    shutil.copy(sample_path(), tmp_path / "cat.jpg")
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "README.md", "exec"), {"__name__": "__main__"})  # noqa: S102  # our own page


def test_there_are_programs():
    assert PROGRAMS


def test_the_command_goes_by_its_name():
    (entry,) = entry_points(group="console_scripts", name="deconvviz")
    assert entry.value == "deconvviz_cli.main:run"
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert tomllib.load(file)["build-system"]["build-backend"] == "setuptools.build_meta"
