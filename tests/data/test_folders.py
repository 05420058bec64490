"""Class folders as people have them: with and without splits, nested, enclosed, incomplete."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deconvviz.data.datasets import open_data
from deconvviz.data.folders import list_folders
from deconvviz.data.listing import Listing
from deconvviz.data.stores import open_store
from deconvviz.errors import DataError

from .support import class_folders, write_picture, zipped

KINDS = pytest.mark.parametrize("kind", ["folder", "zip"])


def listed(folder: Path, kind: str = "folder", inside: str = "") -> Listing:
    """The folder's listing, read from itself or from a zip of it."""
    if kind == "zip":
        return list_folders(open_store(zipped(folder, folder.with_name("archive.zip"), inside)))
    return list_folders(open_store(folder))


def refused(folder: Path, kind: str = "folder") -> str:
    with pytest.raises(DataError) as caught:
        listed(folder, kind)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def members(listing: Listing, split: str = "train") -> dict[str, list[str]]:
    """The names of each class."""
    files = getattr(listing, split)
    return {
        title: [n for n, c in zip(files.names, files.labels, strict=True) if c == number]
        for number, title in enumerate(listing.titles)
    }


@KINDS
def test_class_folders(tmp_path, kind):
    found = listed(class_folders(tmp_path / "photos", {"dogs": 2, "cats": 3}), kind)
    assert found.ids == found.titles == ("cats", "dogs")
    assert members(found) == {
        "cats": ["cats/00.png", "cats/01.png", "cats/02.png"],
        "dogs": ["dogs/00.png", "dogs/01.png"],
    }
    assert len(found.val) == 0


@KINDS
@pytest.mark.parametrize("split", ["val", "valid", "validation", "test"])
def test_a_split_of_its_own(tmp_path, kind, split):
    counts = {"train/cats": 2, "train/dogs": 1, "train/owls": 1, f"{split}/dogs": 2, f"{split}/owls": 1}
    found = listed(class_folders(tmp_path / "photos", counts), kind)
    assert found.titles == ("cats", "dogs", "owls")
    assert members(found)["cats"] == ["train/cats/00.png", "train/cats/01.png"]
    assert members(found, "val") == {
        "cats": [],
        "dogs": [f"{split}/dogs/00.png", f"{split}/dogs/01.png"],
        "owls": [f"{split}/owls/00.png"],
    }


def test_val_goes_before_test(tmp_path):
    counts = {f"{split}/{c}": 1 for split in ("train", "val", "test") for c in ("cats", "dogs")}
    found = listed(class_folders(tmp_path / "photos", counts))
    assert found.val.names == ("val/cats/00.png", "val/dogs/00.png")


def test_train_without_another_split(tmp_path):
    found = listed(class_folders(tmp_path / "photos", {"train/cats": 1, "train/dogs": 2}))
    assert members(found)["dogs"] == ["train/dogs/00.png", "train/dogs/01.png"]
    assert len(found.val) == 0


@KINDS
@pytest.mark.parametrize("inside", ["photos-main", "a/b/c"])
@pytest.mark.parametrize("split", ["", "train/"])
def test_an_enclosing_folder_is_seen_through(tmp_path, kind, inside, split):
    folder = tmp_path / "photos"
    class_folders(folder / inside, {f"{split}cats": 1, f"{split}dogs": 1})
    found = listed(folder, kind)
    assert found.titles == ("cats", "dogs")
    assert found.train.names == (f"{inside}/{split}cats/00.png", f"{inside}/{split}dogs/00.png")


@KINDS
def test_files_beside_the_classes_are_no_classes(tmp_path, kind):
    folder = class_folders(tmp_path / "photos", {"cats": 1, "dogs": 1})
    write_picture(folder / "overview.png")
    (folder / "labels.csv").write_text("a,b\n")
    (folder / "cats" / "notes.txt").write_text("purr\n")
    (folder / "cats" / "Thumbs.db").write_bytes(b"\0")
    assert members(listed(folder, kind)) == {"cats": ["cats/00.png"], "dogs": ["dogs/00.png"]}


@KINDS
def test_folders_below_a_class_belong_to_it(tmp_path, kind):
    counts = {"cats/indoors/2019": 1, "cats": 1, "dogs/outdoors": 2}
    found = listed(class_folders(tmp_path / "photos", counts), kind)
    assert members(found) == {
        "cats": ["cats/00.png", "cats/indoors/2019/00.png"],
        "dogs": ["dogs/outdoors/00.png", "dogs/outdoors/01.png"],
    }


@KINDS
def test_names_with_spaces_and_letters_of_any_script(tmp_path, kind):
    titles = ("Grüße an alle", "black cat", "кошки", "猫")
    folder = class_folders(tmp_path / "my photos (2)", dict.fromkeys(titles, 1))
    found = listed(folder, kind)
    assert found.titles == titles
    assert members(found) == {title: [f"{title}/00.png"] for title in titles}
    assert found.source.picture("猫/00.png").size == (12, 12)


@pytest.mark.parametrize("suffix", [".JPG", ".jpeg", ".Png", ".webp", ".bmp", ".tif", ".gif"])
def test_endings_of_pictures(tmp_path, suffix):
    found = listed(class_folders(tmp_path / "photos", {"cats": 1, "dogs": 1}, suffix=suffix))
    assert found.train.names == (f"cats/00{suffix}", f"dogs/00{suffix}")


@KINDS
@pytest.mark.parametrize("name", ["cats/.trash.png", ".ipynb_checkpoints/00.png", "cats/.thumbnails/00.png"])
def test_hidden_files_and_folders_are_not_seen(tmp_path, kind, name):
    folder = class_folders(tmp_path / "photos", {"cats": 1, "dogs": 1})
    write_picture(folder / name)
    assert members(listed(folder, kind)) == {"cats": ["cats/00.png"], "dogs": ["dogs/00.png"]}


@pytest.mark.parametrize("inside", ["", "photos-main"])
def test_an_empty_class_folder_is_refused(tmp_path, inside):
    folder = tmp_path / "photos"
    class_folders(folder / inside, {"cats": 1, "dogs": 1})
    (folder / inside / "owls").mkdir()
    assert refused(folder) == f"{folder} has no training image of class 'owls'"


@KINDS
def test_a_class_folder_with_text_only_is_refused(tmp_path, kind):
    folder = class_folders(tmp_path / "photos", {"cats": 1, "dogs": 1})
    (folder / "owls").mkdir()
    (folder / "owls" / "readme.txt").write_text("not yet\n")
    assert "no training image of class 'owls'" in refused(folder, kind)


@KINDS
def test_an_empty_class_folder_beside_a_nested_class_is_not_seen_through(tmp_path, kind):
    folder = class_folders(tmp_path / "photos", {"cats/indoors": 2, "cats/outdoors": 2})
    (folder / "dogs").mkdir()
    (folder / "dogs" / "readme.txt").write_text("not yet\n")
    assert "no training image of class 'dogs'" in refused(folder, kind)


@KINDS
def test_one_class_is_too_few(tmp_path, kind):
    folder = class_folders(tmp_path / "photos", {"cats": 2})
    assert "one class only ('cats')" in refused(folder, kind)
    folder = class_folders(tmp_path / "split", {"train/cats": 2, "val/cats": 1})
    assert "one class only ('cats')" in refused(folder, kind)


@KINDS
def test_pictures_without_class_folders(tmp_path, kind):
    folder = tmp_path / "photos"
    write_picture(folder / "a.png")
    write_picture(folder / "b.png", 1)
    assert refused(folder, kind).endswith("has no class folders; a classifier needs two or more")


def test_an_empty_folder(tmp_path):
    assert "has no class folders" in refused(tmp_path)


@KINDS
def test_a_split_with_a_class_that_train_lacks(tmp_path, kind):
    counts = {"train/cats": 1, "train/dogs": 1, "test/cats": 1, "test/owls": 1}
    folder = class_folders(tmp_path / "photos", counts)
    assert "test/ has a class 'owls' that train/ lacks" in refused(folder, kind)


def test_labels_reach_the_pixels(tmp_path, cache):
    folder = class_folders(tmp_path / "photos", {"train/a": 2, "train/b": 3, "val/a": 1, "val/b": 1})
    data = open_data(str(folder), progress=False)
    assert data.train.labels.tolist() == [0, 0, 1, 1, 1]
    assert data.val.labels.tolist() == [0, 1]
    for images in (data.train, data.val):
        for row, name in enumerate(images.names):
            picture = open_store(folder).picture(name)
            assert images.pixels[row].tobytes() == picture.tobytes(), name


def test_names_that_are_no_utf8(tmp_path, cache):
    folder = class_folders(tmp_path / "photos", {"cats": 3, "dogs": 3})
    (folder / "cats" / "00.png").rename(folder / "cats" / os.fsdecode(b"caf\xe9.png"))
    assert len(open_data(str(folder), val_per_class=1, progress=False).train) == 4


@KINDS
@pytest.mark.parametrize("split", ["val", "valid", "validation"])
def test_test_beside_val_is_a_third_split(tmp_path, kind, split):
    counts = {"train/cats": 2, "train/dogs": 1, "train/owls": 1, f"{split}/dogs": 1, "test/owls": 2}
    found = listed(class_folders(tmp_path / "photos", counts), kind)
    assert members(found, "val") == {"cats": [], "dogs": [f"{split}/dogs/00.png"], "owls": []}
    assert members(found, "test") == {
        "cats": [],
        "dogs": [],
        "owls": ["test/owls/00.png", "test/owls/01.png"],
    }
    assert not any(name.startswith("test/") for name in (*found.train.names, *found.val.names))


def test_test_alone_is_the_validation_split(tmp_path):
    counts = {"train/cats": 1, "train/dogs": 1, "test/cats": 1}
    found = listed(class_folders(tmp_path / "photos", counts))
    assert found.val.names == ("test/cats/00.png",)
    assert len(found.test) == 0


@KINDS
def test_a_third_split_with_a_class_that_train_lacks(tmp_path, kind):
    counts = {"train/cats": 1, "train/dogs": 1, "val/cats": 1, "test/owls": 1}
    folder = class_folders(tmp_path / "photos", counts)
    assert "test/ has a class 'owls' that train/ lacks" in refused(folder, kind)
