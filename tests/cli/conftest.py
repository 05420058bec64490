"""A folder with a user's network and photograph in it, in which the command runs."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from .support import write_photo


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of the command: holds ``mynets.py`` and ``cat.png``."""
    shutil.copy(Path(__file__).with_name("mynets.py"), tmp_path)
    write_photo(tmp_path / "cat.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())  # a user's network puts its folder there
    monkeypatch.delitem(sys.modules, "mynets", raising=False)
    return tmp_path
