"""The shape of the project: who imports whom, how long files get, what is public and how it is described."""

from __future__ import annotations

import ast
import configparser
import doctest
import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import deconvviz

ROOT = Path(__file__).resolve().parents[1]
LEVELS = {
    "_version": 0,
    "errors": 0,
    "locking": 1,
    "runs": 1,
    "tiles": 1,
    "metrics": 2,
    "models": 2,
    "data": 3,
    "deconvnet": 3,
    "gradients": 4,
    "preimage": 5,
    "experiments": 5,
    "atlas": 5,
    "training": 4,
    "decoders": 5,
    "compare": 6,
    "figures": 7,
}
"""A part of the library imports parts below it, and itself."""
NEVER = {"cli", "deconvviz_cli", "click", "tests", "matplotlib.pyplot", "pylab"}
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
LINES = 300


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path, package: str) -> Iterator[str]:
    """The dotted names that a file imports anywhere in it, relative ones spelt out."""
    parts = [package, *path.relative_to(ROOT).with_suffix("").parts[1:]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(parts[: len(parts) - node.level]) if node.level else ""
            base = ".".join(filter(None, [above, node.module]))
            if base != package:
                yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def within(name: str, package: str) -> bool:
    return f"{name}.".startswith(f"{package}.")


LIBRARY = sources("deconvviz")
MODULES = ["deconvviz", *(m.name for m in pkgutil.walk_packages(deconvviz.__path__, "deconvviz."))]


def test_every_part_has_a_level():
    parts = {path.relative_to(ROOT / "deconvviz").parts[0].removesuffix(".py") for path in LIBRARY}
    assert parts - {"__init__"} == set(LEVELS)


@pytest.mark.parametrize("path", LIBRARY, ids=short)
def test_imports_point_one_way(path):
    part = path.relative_to(ROOT / "deconvviz").parts[0].removesuffix(".py")
    for name in imports(path, "deconvviz"):
        assert not any(within(name, forbidden) for forbidden in NEVER), name
        if within(name, "torchvision"):
            home = "data" if within(name, "torchvision.datasets") else "models"
            assert part == home, f"{name}: torchvision's {home} are the business of deconvviz/{home}"
        if within(name, "deconvviz") and part != "__init__":
            other = f"{name}.".split(".")[1]
            assert other in LEVELS, f"{name}: the library does not import its own front door"
            assert other == part or LEVELS[other] < LEVELS[part], (
                f"{part} imports {other}, which stands above it"
            )


@pytest.mark.parametrize("path", sources("cli"), ids=short)
def test_the_command_line_draws_and_computes_nothing_itself(path):
    found = set(imports(path, "deconvviz_cli"))
    assert not any(
        within(name, package) for name in found for package in ("torchvision", "matplotlib", "PIL")
    )
    assert not any(
        within(name, forbidden) for name in found for forbidden in NEVER - {"click", "deconvviz_cli"}
    )


@pytest.mark.parametrize("path", sources("deconvviz", "cli", "tests"), ids=short)
def test_files_are_short_and_named_for_what_they_hold(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES
    assert not VAGUE & set(path.with_suffix("").relative_to(ROOT).parts)


def test_the_list_of_packages_is_complete():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = config["options"]["packages"].split()
    folders = [path.parent.relative_to(ROOT) for path in LIBRARY if path.name == "__init__.py"]
    elsewhere = {"deconvviz_assets": "assets", "deconvviz_cli": "cli"}
    assert sorted(listed) == sorted([*(".".join(folder.parts) for folder in folders), *elsewhere])
    assert {path.parent for path in LIBRARY} == {ROOT / folder for folder in folders}
    mapped = config["options"]["package_dir"].split("\n")
    assert dict(line.split(" = ") for line in mapped if line) == elsewhere


def test_public_names_are_sorted_and_there():
    names = deconvviz.__all__
    constants = [name for name in names if name.isupper()]
    classes = sorted(name for name in names if name[0].isupper() and not name.isupper())
    others = sorted(name for name in names if not name[0].isupper())
    assert names == [*constants, *classes, *others]
    assert dir(deconvviz) == sorted(names)
    for name in names:
        assert getattr(deconvviz, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'conv5'"):
        _ = deconvviz.conv5


def test_public_names_are_those_that_type_checkers_see():
    tree = ast.parse((ROOT / "deconvviz" / "__init__.py").read_text(encoding="utf-8"))
    seen = {
        (alias.asname or alias.name).split(".")[-1]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", "") != "__future__"
        for alias in node.names
    }
    assert seen - {"import_module", "TYPE_CHECKING"} == set(deconvviz.__all__)


@pytest.mark.parametrize("name", [name for name in deconvviz.__all__ if name != "__version__"])
def test_public_names_are_described(name):
    value = getattr(deconvviz, name)
    text = inspect.getdoc(value)
    assert text
    assert text.splitlines()[0].endswith((".", ":", "?"))
    if inspect.isfunction(value):
        given = [p for p in inspect.signature(value).parameters if not p.startswith("_")]
        described = text.partition("Args:")[2]
        assert all(f"{p}:" in described for p in given)


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_examples_do_what_they_show(name):
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} does not say what it is"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


@pytest.mark.parametrize("name", ["load_model", "mirror", "project", "read_image", "record", "Rules"])
def test_the_main_functions_have_an_example(name):
    assert ">>> " in (inspect.getdoc(getattr(deconvviz, name)) or "")
