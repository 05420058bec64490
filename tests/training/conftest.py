"""A folder with a user's networks in it, in which the command runs; a cache for each test that wants one."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Networks this small gain nothing from more, and their bits do not depend on the machine."""
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
    """The current folder of the command: holds ``learners.py``."""
    shutil.copy(Path(__file__).with_name("learners.py"), tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())  # a user's network puts its folder there
    monkeypatch.delitem(sys.modules, "learners", raising=False)
    return tmp_path
