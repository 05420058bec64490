"""A folder that holds files of something else keeps them, whatever is scanned into it."""

from __future__ import annotations

import shutil

import pytest

from deconvviz.atlas.underway import clear, sweep
from deconvviz.errors import DataError

from .nets import chain, write_pictures
from .scans import TABLES, listed, scanned, tables

OTHERS = (
    ".images.txt",
    ".scans.txt",
    ".scan.notes.npz",
    ".manifest.json",
    ".units.old.parquet",
    "scan-1.npz",
)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return listed(write_pictures(tmp_path_factory.mktemp("pictures"), 12))


@pytest.fixture(scope="module")
def atlas(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("atlas")
    scanned(folder, chain(), images, layers=("conv1",))
    return folder


def test_what_is_called_otherwise_stays(images, tmp_path):
    for name in (*OTHERS, "index.html"):
        (tmp_path / name).write_text("mine")
    for name in (".scan.ab_12cde.npz", ".scan-001-002.abcdefgh.npz", ".images.abcd1234.parquet"):
        (tmp_path / name).write_text("half written")
    scanned(tmp_path, chain(), images, layers=("conv1",), overwrite=True)
    found = {path.name: path for path in tmp_path.iterdir()}
    assert {*found} == {*OTHERS, *TABLES, "index.html", "manifest.json", "scan.npz", ".lock"}
    assert all(found[name].read_text() == "mine" for name in (*OTHERS, "index.html"))
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*found}


def test_the_page_of_an_atlas_goes_with_it(atlas, tmp_path):
    shutil.copytree(atlas, tmp_path, dirs_exist_ok=True)
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "route.js").write_text("")
    (tmp_path / "index.html").write_text("")
    clear(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "page"}


@pytest.mark.parametrize("overwrite", [True, False])
def test_tables_of_something_else_are_refused(images, tmp_path, overwrite):
    (tmp_path / "images.parquet").write_text("mine")
    with pytest.raises(DataError, match=r"images\.parquet is no part of an atlas: move it away, or name"):
        scanned(tmp_path, chain(), images, layers=("conv1",), overwrite=overwrite)
    assert (tmp_path / "images.parquet").read_text() == "mine"
    (tmp_path / "manifest.json").write_text('{"name": "mine"}')
    (tmp_path / "scan.npz").write_text("mine")
    with pytest.raises(DataError, match=r"manifest\.json is no part of an atlas"):
        clear(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "images.parquet", "manifest.json", "scan.npz", ".lock"
    }  # fmt: skip


@pytest.mark.parametrize("manifest", [b"", b'{"made_by": "deconv', b"\xff\xfe", None])
def test_a_damaged_atlas_can_be_thrown_away(images, atlas, tmp_path, manifest):
    shutil.copytree(atlas, tmp_path, dirs_exist_ok=True)
    (tmp_path / "manifest.json").unlink()
    if manifest is not None:
        (tmp_path / "manifest.json").write_bytes(manifest)
    scanned(tmp_path, chain(), images, layers=("conv1",), overwrite=True)
    assert tables(tmp_path) == tables(atlas)
