"""Manifests, and writing that leaves either the old file or the new one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import sys
from concurrent.futures import Future
from datetime import UTC, datetime

import pytest

from deconvviz import __version__
from deconvviz.errors import OutputError
from deconvviz.runs import manifest, remove, replacing, sha256_later, short_form, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def half_write(path, error):
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise error


def test_a_new_file_comes_with_its_folder(tmp_path):
    path = tmp_path / "a" / "b" / "figure.png"
    with replacing(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".png"
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert names(path.parent) == ["figure.png"]


def test_an_old_file_is_there_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "figure.svg"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "figure.pdf"
    path.write_text("old")
    with pytest.raises(type(error)):
        half_write(path, error)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["figure.pdf"]


def test_a_full_disk_is_an_output_error(tmp_path):
    path = tmp_path / "figure.png"
    path.write_text("old")
    with pytest.raises(OutputError, match="No space left") as caught:
        half_write(path, OSError(errno.ENOSPC, "No space left on device"))
    assert str(path) in str(caught.value)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["figure.png"]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="--out"), replacing(tmp_path / "file" / "figure.png"):
        pytest.fail("the block must not be entered")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match=r"folder\.png"), replacing(tmp_path / "folder.png") as temporary:
        temporary.write_text("new")
    assert names(tmp_path) == ["file", "folder.png"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_are_those_of_any_new_file(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_json(tmp_path / "facts.json", {})
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "facts.json").stat().st_mode) == mode


def test_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "figure.png"
    with replacing(path) as first, replacing(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # whose block ended last
    assert names(tmp_path) == ["figure.png"]


def test_removing(tmp_path):
    (tmp_path / "old").write_text("old")
    (tmp_path / "folder").mkdir()
    remove(tmp_path / "old", tmp_path / "not there")
    assert not (tmp_path / "old").exists()
    with pytest.raises(OutputError, match=r"cannot remove .*folder"):
        remove(tmp_path / "folder")


def test_json_is_readable_by_people(tmp_path):
    path = write_json(tmp_path / "facts.json", {"name": "größe 猫", "window": [1, 2]})
    text = path.read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert "größe 猫" in text
    assert json.loads(text) == {"name": "größe 猫", "window": [1, 2]}


@pytest.mark.parametrize("content", [b"", b"abc", bytes(3_000_000)], ids=len)
def test_sha256_later(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    digest = sha256_later(path)
    assert isinstance(digest, Future)
    assert digest.result(timeout=60) == hashlib.sha256(content).hexdigest()


def test_sha256_of_a_file_that_is_not_there(tmp_path):
    digest = sha256_later(tmp_path / "none.pth")
    with pytest.raises(FileNotFoundError):
        digest.result(timeout=60)


def test_manifest(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/deconvviz", "project", "my cat.jpg", "--unit", "3,1,2"])
    found = manifest(model="alexnet", image=None, seed=0, units=[])
    assert found["made_by"] == f"deconvviz {__version__}"
    assert found["command"] == 'deconvviz project "my cat.jpg" --unit 3,1,2'
    assert (found["model"], found["seed"], found["units"]) == ("alexnet", 0, [])
    assert "image" not in found
    age = datetime.now(UTC) - datetime.fromisoformat(found["date"])
    assert 0 <= age.total_seconds() < 60
    packages = {"torch", "torchvision", "numpy", "opencv-python-headless", "pillow", "pyarrow", "matplotlib"}
    assert {"python"} | packages == set(found["versions"])
    assert json.loads(json.dumps(found)) == found


def test_short_form():
    facts = manifest(model="alexnet", weights={"label": "a.pth"}, layer="conv5", units=[1] * 1000, seed=3)
    chunks = short_form(facts)
    assert set(chunks) == {"Software", "Description"}
    assert chunks["Software"] == f"deconvviz {__version__}"
    told = json.loads(chunks["Description"])
    assert told == {key: facts[key] for key in ("command", "model", "weights", "layer", "date")}
