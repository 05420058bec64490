"""A cache for each test."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, to which no earlier test has added anything."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("DECONVVIZ_CACHE", str(folder))
    return folder
