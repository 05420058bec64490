"""One thread, as the bits of a run depend on their number; a folder with a user's network in it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Networks this small gain nothing from more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, to which no earlier test has added anything."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("DECONVVIZ_CACHE", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of the command: holds ``encoders.py``."""
    shutil.copy(Path(__file__).with_name("encoders.py"), tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())  # a user's network puts its folder there
    monkeypatch.delitem(sys.modules, "encoders", raising=False)
    return tmp_path
