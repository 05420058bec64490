"""A folder and its zip hold the same; an archive that is damaged or means harm is refused or skipped."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from deconvviz.data.datasets import open_data
from deconvviz.data.stores import Folder, Zip, open_store
from deconvviz.errors import DataError, ImageError

from .support import class_folders, damage, write_picture, zipped

COMPRESSIONS = pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"]
)


@pytest.fixture
def photos(tmp_path):
    folder = class_folders(tmp_path / "photos", {"cats": 2, "dogs/old ones": 1, "Möwen": 1})
    (folder / "readme.txt").write_text("about cats\n")
    (folder / ".hidden").write_text("not to be seen")
    return folder


def refused(path: Path) -> str:
    """What is said about a path that is no data set; nothing is written because of it."""
    around = path.parents[1]
    before = sorted(around.rglob("*"))
    with pytest.raises(DataError) as caught:
        open_store(path)
    assert sorted(around.rglob("*")) == before
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


@COMPRESSIONS
def test_a_folder_and_its_zip_list_and_read_the_same(tmp_path, photos, compression):
    folder, archive = open_store(photos), open_store(zipped(photos, tmp_path / "a.zip", "", compression))
    assert isinstance(folder, Folder)
    assert isinstance(archive, Zip)
    names = ["Möwen/00.png", "cats/00.png", "cats/01.png", "dogs/old ones/00.png", "readme.txt"]
    assert list(folder.names) == sorted(names) == list(archive.names)
    for name in names:
        assert folder.read(name) == archive.read(name) == (photos / name).read_bytes()
    for name in names[:-1]:
        assert folder.picture(name).tobytes() == archive.picture(name).tobytes()
        assert folder.picture(name).mode == "RGB"


def test_what_is_no_picture_is_an_image_error(tmp_path, photos):
    for store in (open_store(photos), open_store(zipped(photos, tmp_path / "a.zip"))):
        with pytest.raises(ImageError, match=r"^readme\.txt is not a picture"):
            store.picture("readme.txt")


def test_a_file_that_has_gone_is_an_image_error(photos):
    store = open_store(photos)
    (photos / "cats/00.png").unlink()
    with pytest.raises(ImageError, match=r"cats/00\.png"):
        store.picture("cats/00.png")


def test_links_to_folders_above_are_not_followed(photos):
    before = list(open_store(photos).names)
    for link, target in (("self", "."), ("again", "."), ("cats/up", ".."), ("dogs/nowhere", "gone")):
        try:
            (photos / link).symlink_to(target, target_is_directory=True)
        except OSError:
            pytest.skip("this system makes no links")
    store = open_store(photos)
    assert set(store.names) - {"dogs/nowhere"} == set(before)
    assert store.folders == {"cats", "dogs", "dogs/old ones", "Möwen"}
    (photos / "felines").symlink_to("cats", target_is_directory=True)  # beside it, not above: followed
    names = set(open_store(photos).names)
    assert {"felines/00.png", "felines/01.png", "cats/00.png"} <= names
    assert not [name for name in names if name.count("/") > 2]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_an_image_error(photos):
    os.mkfifo(photos / "cats/pipe.png")
    with pytest.raises(ImageError, match=r"a pipe or a device, not a file: .*cats/pipe\.png"):
        open_store(photos).picture("cats/pipe.png")


def test_the_stamp_follows_the_content(tmp_path, photos):
    before = [open_store(photos), open_store(zipped(photos, tmp_path / "a.zip"))]
    stamps = [{name: store.stamp(name) for name in store.names} for store in before]
    write_picture(photos / "cats/00.png", seed=77)
    after = [open_store(photos), open_store(zipped(photos, tmp_path / "b.zip"))]
    for store, old in zip(after, stamps, strict=True):
        assert [name for name in store.names if store.stamp(name) != old[name]] == ["cats/00.png"]


@pytest.mark.parametrize(
    "name",
    [
        "../evil.png",
        "cats/../../evil.png",
        "/tmp/evil.png",  # noqa: S108  # nothing is written there
        "C:\\evil.png",
        "C:/evil.png",
        "..\\evil.png",
        "cats\\..\\..\\evil.png",
        "\\\\server\\share\\evil.png",
    ],
)
def test_an_archive_that_names_a_place_outside_is_refused(tmp_path, photos, name):
    (tmp_path / "in").mkdir()
    path = zipped(photos, tmp_path / "in" / "a.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"harm")
    said = refused(path)
    assert f"'{name}'" in said
    assert "leaves its folder" in said


def test_dots_in_names_lead_nowhere(tmp_path, photos):
    write_picture(photos / "cats/..cat..png")
    write_picture(photos / "dogs...old/a..b.png")
    (photos / "cats/..cat..png").rename(photos / "cats/c..cat..png")
    store = open_store(zipped(photos, tmp_path / "a.zip"))
    assert {"cats/c..cat..png", "dogs...old/a..b.png"} <= set(store.names)


@pytest.mark.parametrize("content", ["truncated", "text", "empty"])
def test_a_file_that_is_no_zip_is_refused(tmp_path, photos, content):
    (tmp_path / "in").mkdir()
    path = zipped(photos, tmp_path / "in" / "a.zip")
    whole = path.read_bytes()
    path.write_bytes(
        {"truncated": whole[: len(whole) // 2], "text": b"no such\nfile\n", "empty": b""}[content]
    )
    assert "damaged or not a zip" in refused(path)


def test_a_missing_path_is_refused(tmp_path):
    assert "does not exist" in refused(tmp_path / "in" / "none.zip")


@COMPRESSIONS
@pytest.mark.parametrize("place", ["start", "end"])
def test_a_damaged_member_is_skipped_and_counted(tmp_path, cache, compression, place):
    folder = class_folders(tmp_path / "photos", {"cats": 6, "dogs": 6})
    whole = open_data(
        str(zipped(folder, tmp_path / "whole.zip", "", compression)), val_per_class=2, progress=False
    )
    path = zipped(folder, tmp_path / "bad.zip", "", compression)
    name = whole.train.names[1]
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(name)
    start = member.header_offset + 30 + len(name)
    end = start + member.compress_size
    damage(path, slice(start, start + 16) if place == "start" else slice(end - 16, end))
    data = open_data(str(path), val_per_class=2, progress=False)
    assert len(data.skipped) == 1
    assert name in data.skipped[0]
    assert data.facts["skipped"] == 1
    assert len(data.train) == len(whole.train) - 1
    assert 1 not in data.train.rows
    good = data.train.rows
    np.testing.assert_array_equal(data.train.pixels[good], whole.train.pixels[good])
    np.testing.assert_array_equal(data.val.pixels, whole.val.pixels)


def test_an_encrypted_member_is_skipped(tmp_path, cache):
    folder = class_folders(tmp_path / "photos", {"cats": 6, "dogs": 6})
    path = zipped(folder, tmp_path / "a.zip")
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0]
        entry = archive.start_dir  # the first entry of the directory: bit 0 of its flags says "encrypted"
    content = bytearray(path.read_bytes())
    content[entry + 8] |= 1
    content[first.header_offset + 6] |= 1
    path.write_bytes(content)
    data = open_data(str(path), val_per_class=1, progress=False)
    assert len(data.skipped) == 1
    assert first.filename in data.skipped[0]
