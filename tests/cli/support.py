"""How the tests of the command line reach the command: as an installed one, in this process."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image

MODEL = ("--model", "mynets:tiny", "--device", "cpu", "--quiet")
"""What nearly every call of these tests says."""


@dataclass(frozen=True)
class Answer:
    """What a command left behind on the terminal."""

    code: int
    out: str
    err: str

    @property
    def paths(self) -> list[Path]:
        """The files it says it wrote."""
        return [Path(line) for line in self.out.splitlines()]

    def ok(self) -> Answer:
        """The same, if it went well and said nothing on stderr; every file it names is there."""
        assert self.code == 0, self.err
        assert self.err == ""
        assert all(path.is_file() for path in self.paths), self.out
        return self


def invoke(*words: str | Path) -> Answer:
    """Runs ``deconvviz WORDS...`` through its entry point."""
    (entry,) = entry_points(group="console_scripts", name="deconvviz")
    run = entry.load()
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["deconvviz", *map(str, words)]),
        mock.patch.object(sys.modules["__main__"], "__package__", None),  # else usage tells of pytest
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            run()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return Answer(code, out.getvalue(), err.getvalue())


def project(*words: str | Path) -> Answer:
    """Runs ``deconvviz project`` with the tiny network, and expects it to go well."""
    return invoke("project", *words, *MODEL).ok()


def complaint(answer: Answer, code: int = 1) -> str:
    """The one line on stderr of a command that failed."""
    assert answer.code == code, answer
    lines = answer.err.splitlines()
    assert len(lines) == 1, answer.err
    assert lines[0].startswith("deconvviz: ")
    assert "Traceback" not in answer.err
    return lines[0].removeprefix("deconvviz: ")


def refused(*words: str | Path, command: str = "project", code: int = 1) -> str:
    """The one line about a command that wrote nothing."""
    before = sorted(Path.cwd().rglob("*"))
    answer = invoke(command, *words)
    assert answer.out == ""
    said = complaint(answer, code)
    assert [path for path in sorted(Path.cwd().rglob("*")) if "__pycache__" not in str(path)] == before
    return said


def write_photo(path: Path, seed: int = 0, side: int = 48) -> Path:
    """A picture file: coloured noise, a little blurred."""
    rough = np.random.default_rng(seed).integers(0, 256, (side // 4, side // 4, 3), dtype=np.uint8)
    Image.fromarray(rough).resize((side, side), Image.Resampling.BICUBIC).save(path)
    return path


def arrays(path: Path) -> dict[str, Any]:
    """The contents of an npz file."""
    with np.load(path) as file:
        return dict(file)


def facts(path: Path) -> dict[str, Any]:
    """The manifest beside a figure."""
    content: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return content


def save_weights(path: Path, seed: int = 1, **changes: torch.Tensor) -> Path:
    """A state dict of the tiny network with other weights than it is built with."""
    from . import mynets

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = mynets.tiny().state_dict()
    torch.save({**state, **{name.replace("_", "."): value for name, value in changes.items()}}, path)
    return path
