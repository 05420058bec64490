"""Tiny ImageNet in its original layout: read from the zip or its folder, and had from its server or not."""

from __future__ import annotations

import hashlib
import shutil
import socket
from collections import Counter
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest

from deconvviz.data.datasets import open_data
from deconvviz.data.stores import open_store
from deconvviz.data.tiny_imagenet import MD5, URL, find_tiny_imagenet, list_tiny_imagenet
from deconvviz.errors import DataError

from .support import WNIDS, miniature, zipped

TITLES = ("goldfish", "tabby", "orange")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda *_, **__: pytest.fail("downloaded"))


@pytest.fixture
def tiny(tmp_path):
    return miniature(tmp_path / "data")


def opened(root: Path, **options):
    return open_data("tiny-imagenet", root=root, progress=False, **options)


def said(call, *words, **options) -> str:
    with pytest.raises(DataError) as caught:
        call(*words, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_folder_and_zip_give_the_same(tmp_path, tiny, cache):
    (tmp_path / "zipped").mkdir()
    zipped(tiny, tmp_path / "zipped" / "tiny-imagenet-200.zip", "tiny-imagenet-200")
    folder, archive = opened(tmp_path / "data"), opened(tmp_path / "zipped")
    assert folder.ids == archive.ids == WNIDS
    assert folder.titles == archive.titles == TITLES
    for one, other in ((folder.train, archive.train), (folder.val, archive.val)):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        np.testing.assert_array_equal(one.labels, other.labels)
    assert folder.train.pixels.shape == (12, 64, 64, 3)
    assert folder.skipped == archive.skipped == ()


def test_training_images_have_their_classes(tiny, cache):
    data = opened(tiny.parent)
    for row, name in enumerate(data.train.names):
        assert data.ids[data.train.labels[row]] == name.split("/")[1]
        assert data.train.pixels[row].tobytes() == open_store(tiny).picture(name).tobytes()
    assert Counter(data.train.labels.tolist()) == {0: 4, 1: 4, 2: 4}


def test_grey_pictures_have_three_equal_channels(tiny, cache):
    data = opened(tiny.parent)
    grey = [np.ptp(picture, axis=2).max() == 0 for picture in data.train.pixels]
    assert [n for n, is_grey in zip(data.train.names, grey, strict=True) if is_grey] == [
        f"train/{wnid}/images/{wnid}_3.JPEG" for wnid in WNIDS[:2]
    ]


def test_the_official_validation_split(tiny, cache):
    data = opened(tiny.parent)
    assert data.val.names == tuple(f"val/images/val_{i}.JPEG" for i in range(6))
    assert data.val.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_the_test_images_and_boxes_are_left_alone(tiny):
    found = list_tiny_imagenet(tiny)
    assert not any("test" in name or "boxes" in name for name in (*found.train.names, *found.val.names))


def test_validation_images_of_the_training_set(tiny, cache):
    data = opened(tiny.parent, val_per_class=1)
    assert len(data.train) == 9
    assert sorted(data.val.labels.tolist()) == [0, 1, 2]
    assert all(name.startswith("train/") for name in data.val.names)


def test_classes_by_title_and_by_wordnet_id(tiny, cache):
    data = opened(tiny.parent, only=("orange", WNIDS[0]))
    assert data.titles == ("orange", "goldfish")
    assert data.ids == (WNIDS[2], WNIDS[0])
    assert data.val.labels.tolist() == [1, 0, 1, 0]


def test_ids_without_a_word_go_by_their_id(tiny):
    (tiny / "words.txt").write_text(f"{WNIDS[1]}\ttabby\n\nno tab here\n")
    assert list_tiny_imagenet(tiny).titles == (WNIDS[0], "tabby", WNIDS[2])


def test_annotations_of_other_classes_and_missing_files_are_left_out(tiny):
    with (tiny / "val/val_annotations.txt").open("a") as file:
        file.write(f"val_9.JPEG\t{WNIDS[0]}\t0\t0\t1\t1\nval_0.JPEG\tn99999999\t0\t0\t1\t1\n\nval_1.JPEG\n")
    assert len(list_tiny_imagenet(tiny).val) == 6


@pytest.mark.parametrize("name", ["words.txt", "val/val_annotations.txt"])
@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_missing_part_is_named(tmp_path, tiny, name, kind):
    (tiny / name).unlink()
    path = tiny if kind == "folder" else zipped(tiny, tmp_path / "a.zip")
    assert said(list_tiny_imagenet, path).endswith(f"is not Tiny ImageNet: the {kind} has no {name}")


def test_without_wnids_it_is_another_data_set(tmp_path, tiny):
    (tiny / "wnids.txt").unlink()
    path = zipped(tiny, tmp_path / "data" / "a.zip")
    assert said(list_tiny_imagenet, path) == (
        f"{path} is not Tiny ImageNet: it has no wnids.txt; for class folders use --data {path}"
    )


def test_a_class_without_images_is_named(tiny):
    shutil.rmtree(tiny / "train" / WNIDS[1])
    assert f"no training image of class '{WNIDS[1]}'" in said(list_tiny_imagenet, tiny)


def test_where_it_is_looked_for(tmp_path, tiny):
    root = tiny.parent
    assert find_tiny_imagenet(root) == tiny
    assert find_tiny_imagenet(tiny) == tiny  # the data root is the data set itself
    archive = zipped(tiny, root / "tiny-imagenet-200.zip", "tiny-imagenet-200")
    assert find_tiny_imagenet(archive) == archive
    assert find_tiny_imagenet(root) == archive
    other = tmp_path / "other"
    other.mkdir()
    part = shutil.copy(archive, other / "tiny-imagenet20.zip")
    assert find_tiny_imagenet(other) == Path(part)


def test_the_data_root_may_be_the_zip(tmp_path, tiny, cache):
    archive = zipped(tiny, tmp_path / "mine.zip", "tiny-imagenet-200")
    assert opened(archive).titles == TITLES


def test_a_broken_zip(tmp_path):
    path = tmp_path / "tiny-imagenet-200.zip"
    path.write_bytes(b"PK not quite")
    assert "damaged or not a zip" in said(opened, tmp_path)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (URLError("[Errno -2] Name or service not known"), "Name or service not known"),
        (TimeoutError("timed out"), "timed out"),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset"),
    ],
)
def test_no_network(tmp_path, monkeypatch, error, reason):
    def fail(*_words, **_options):
        raise error

    monkeypatch.setattr("torch.hub.download_url_to_file", fail)
    message = said(opened, tmp_path / "new")
    assert message.startswith("cannot download Tiny ImageNet (")
    for part in (reason, URL, "--data-root", "dead-leaves"):
        assert part in message
    assert list((tmp_path / "new").iterdir()) == []


def test_a_download_with_another_checksum_is_refused_and_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "torch.hub.download_url_to_file", lambda _url, to, **_: Path(to).write_bytes(b"<html>sorry</html>")
    )
    message = said(opened, tmp_path)
    assert "is damaged" in message
    assert MD5 in message
    assert list(tmp_path.iterdir()) == []


def test_a_download_is_kept_under_its_name(tmp_path, tiny, cache, monkeypatch, capsys):
    archive = zipped(tiny, tmp_path / "server.zip", "tiny-imagenet-200")
    fetched = []

    def download(url, to, progress=True):
        print("Downloading")
        fetched.append(url)
        shutil.copy(archive, to)

    monkeypatch.setattr("torch.hub.download_url_to_file", download)
    digest = hashlib.new("md5", archive.read_bytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setattr("deconvviz.data.tiny_imagenet.MD5", digest)
    for _ in range(2):
        assert opened(tmp_path / "new").titles == TITLES
    assert fetched == [URL]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["tiny-imagenet-200.zip"]
    assert capsys.readouterr().out == ""


def test_a_silent_server_is_not_waited_for_forever(tmp_path, monkeypatch):
    patience: list[float | None] = []

    def fail(*_words, **_options):
        patience.append(socket.getdefaulttimeout())
        raise URLError("none")

    before = socket.getdefaulttimeout()
    monkeypatch.setattr("torch.hub.download_url_to_file", fail)
    said(opened, tmp_path)
    assert patience[0] is not None
    assert socket.getdefaulttimeout() == before
