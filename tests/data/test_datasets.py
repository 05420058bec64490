"""Data sets as training takes them: squares of every kind of picture, what is skipped, what is kept."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import functional

from deconvviz.data.datasets import data_root, open_data, squared
from deconvviz.errors import DataError

from .support import class_folders, noise, write_picture


def opened(name, **options):
    return open_data(str(name), progress=False, **options)


def said(name, **options) -> str:
    with pytest.raises(DataError) as caught:
        opened(name, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def photos(tmp_path, cache):
    return class_folders(
        tmp_path / "photos", {"train/cats": 4, "train/dogs": 4, "val/cats": 2, "val/dogs": 2}
    )


@pytest.mark.parametrize("side", [16, 63, 64])
@pytest.mark.parametrize(
    "size",
    [
        (64, 64),
        (49, 98),
        (98, 147),
        (343, 49),
        (31, 47),
        (200, 65),
        (7, 9),
        (5, 200),
        (64, 67),
        (67, 64),
        (1, 1),
    ],
)
def test_squares_are_those_of_torchvision(size, side):
    image = noise(*size)
    with_torchvision = functional.center_crop(functional.resize(image, side), [side, side])
    found = squared(image, side)
    assert found.shape == (side, side, 3)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.asarray(with_torchvision))


def test_all_kinds_of_pictures_become_rgb(tmp_path, cache):
    folder = class_folders(tmp_path / "photos", {"cats": 1, "dogs": 1}, side=16)
    grey, see_through = noise(16, 16, 1, channels=1), noise(16, 16, 2, channels=4)
    grey.save(folder / "cats/grey.png")
    see_through.save(folder / "cats/rgba.png")
    noise(16, 16, 3).convert("CMYK").save(folder / "cats/cmyk.jpg", quality=95)
    noise(16, 16, 4).convert("P").save(folder / "cats/palette.gif")
    (folder / "dogs/01.png").write_bytes((folder / "dogs/00.png").read_bytes())
    data = opened(folder, val_per_class=1)
    assert data.skipped == ()
    rows = {
        Path(name).name: images.pixels[row]
        for images in (data.train, data.val)
        for row, name in enumerate(images.names)
        if name.startswith("cats")
    }
    assert (rows["grey.png"] == np.asarray(grey)[..., None]).all()
    white = Image.new("RGB", (16, 16), "white")
    white.paste(see_through, mask=see_through.getchannel("A"))
    np.testing.assert_array_equal(rows["rgba.png"], np.asarray(white))
    colourful = np.asarray(noise(16, 16, 3)).astype(int)
    assert abs(rows["cmyk.jpg"] - colourful).mean() < 12
    assert np.ptp(rows["palette.gif"], axis=2).max() > 0


def test_bad_pictures_are_skipped_counted_and_named(photos):
    whole = (photos / "train/cats/00.png").read_bytes()
    (photos / "train/cats/half.jpg").write_bytes(write_picture(photos.with_name("a.jpg")).read_bytes()[:300])
    (photos / "train/dogs/cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "train/dogs/empty.png").touch()
    (photos / "val/dogs/text.png").write_text("<html>not found</html>\n")
    for _ in range(2):  # the second time from the cache
        data = opened(photos)
        assert [reason.split()[0] for reason in data.skipped] == [
            "train/cats/half.jpg",
            "train/dogs/cut.png",
            "train/dogs/empty.png",
            "val/dogs/text.png",
        ]
        assert data.facts["skipped"] == 4
        assert (len(data.train), len(data.val)) == (8, 4)
        assert (data.facts["training_images"], data.facts["validation_images"]) == (8, 4)
        assert not {"half.jpg", "cut.png", "empty.png"} & {
            Path(data.train.names[row]).name for row in data.train.rows
        }
        assert all(data.train.pixels[row].any() for row in data.train.rows)


def test_a_set_of_bad_pictures_only(photos):
    for path in photos.glob("val/*/*.png"):
        path.write_text("no picture")
    assert "no image could be read; the first: val/cats/00.png is not a picture" in said(photos)


def test_a_changed_picture_is_decoded_again(photos):
    before = np.array(opened(photos).train.pixels)
    path = write_picture(photos / "train/cats/02.png", seed=99)
    os.utime(path, ns=(1, 1))
    after = opened(photos).train.pixels
    assert [row for row in range(8) if (after[row] != before[row]).any()] == [2]


def test_an_added_and_a_removed_picture(photos):
    assert len(opened(photos).train) == 8
    write_picture(photos / "train/dogs/added.png")
    (photos / "train/cats/03.png").unlink()
    data = opened(photos)
    assert len(data.train) == 8
    assert data.train.names[-1] == "train/dogs/added.png"
    assert data.train.labels.tolist() == [0] * 3 + [1] * 5


def test_pictures_are_decoded_once(photos, monkeypatch):
    first = opened(photos)
    monkeypatch.setattr("deconvviz.data.datasets.squared", lambda *_: pytest.fail("made again"))
    again = opened(photos)
    np.testing.assert_array_equal(first.train.pixels, again.train.pixels)
    assert again.facts == first.facts


def test_small_pictures_keep_their_size(tmp_path, cache):
    folder = class_folders(tmp_path / "photos", {"cats": 3, "dogs": 3}, side=12)
    assert opened(folder, val_per_class=1, side=64).facts["side"] == 12
    assert opened(folder, val_per_class=1, side=8).facts["side"] == 8
    write_picture(folder / "cats/large.png", side=100)
    assert opened(folder, val_per_class=1, side=64).train.pixels.shape[1:] == (64, 64, 3)


@pytest.mark.parametrize(("typed", "meant"), [("dead-leafs", "dead-leaves"), ("cifar-10", "cifar10")])
def test_a_misspelt_name_offers_the_nearest(cache, typed, meant):
    message = said(typed)
    assert message.startswith(f"no data set '{typed}'; did you mean '{meant}'?")
    assert "or a folder or zip of class folders" in message


def test_a_file_that_is_no_data_set(tmp_path, cache):
    assert "damaged or not a zip" in said(write_picture(tmp_path / "cat.png"))


def test_what_is_drawn_is_the_same_for_folder_and_seed(tmp_path, cache):
    folder = class_folders(tmp_path / "photos", dict.fromkeys("abcdef", 5))
    words = {"classes": 3, "val_per_class": 2, "train_per_class": 2}
    first, again, other = (opened(folder, seed=seed, **words) for seed in (4, 4, 5))
    assert (first.ids, first.train.names, first.val.names) == (again.ids, again.train.names, again.val.names)
    assert first.train.names != other.train.names
    assert first.train.labels.tolist() == [0, 0, 1, 1, 2, 2] == first.val.labels.tolist()


def test_where_named_data_lies(tmp_path, cache):
    assert data_root(None) == cache / "data"
    assert data_root(tmp_path / "here") == tmp_path / "here"


@pytest.fixture
def no_download(monkeypatch):
    """Refuses to download Tiny ImageNet."""

    def refuse(root, _progress):
        raise DataError(f"would download to {root}")

    monkeypatch.setattr("deconvviz.data.tiny_imagenet._download", refuse)


def test_auto_is_tiny_imagenet_where_its_server_answers(tmp_path, monkeypatch, no_download):
    monkeypatch.setattr("deconvviz.data.tiny_imagenet.answers", lambda url: url.endswith("imagenet-200.zip"))
    with pytest.raises(DataError, match=f"would download to {tmp_path}"):
        open_data("auto", root=tmp_path, progress=False)


def test_auto_is_dead_leaves_elsewhere(tmp_path, monkeypatch, no_download):
    monkeypatch.setattr("deconvviz.data.tiny_imagenet.answers", lambda _url: False)
    data = open_data("auto", root=tmp_path, train_per_class=1, val_per_class=1, side=8, progress=False)
    assert (data.name, data.facts["data"]) == ("dead-leaves", "dead-leaves")


def test_the_third_split_is_opened_where_it_is_asked_for(photos):
    for title in ("cats", "dogs"):
        write_picture(photos / f"test/{title}/00.png", seed=5 + len(title))
    (photos / "test/dogs/bad.png").write_text("no picture")
    data = opened(photos, test=True)
    assert opened(photos).test is None
    assert [data.test.names[row] for row in data.test.rows] == ["test/cats/00.png", "test/dogs/00.png"]
    assert data.test.labels[data.test.rows].tolist() == [0, 1]
    assert data.test.pixels[0].tobytes() == np.asarray(Image.open(photos / "test/cats/00.png")).tobytes()
    assert (len(data.train), len(data.val)) == (8, 4)
    assert [reason.split()[0] for reason in data.skipped] == ["test/dogs/bad.png"]
    assert data.facts["skipped"] == 1
    assert opened(photos).skipped == ()


def test_the_datas_own_validation_images_test_where_others_are_held_out(photos):
    for words in ({"val_per_class": 1}, {"val_share": 0.25}):
        data = opened(photos, test=True, **words)
        assert (len(data.train), len(data.val), len(data.test)) == (6, 2, 4)
        assert all(name.startswith("val/") for name in data.test.names)
        assert all(name.startswith("train/") for name in (*data.val.names, *data.train.names))
    assert opened(photos, test=True).test is None


def test_a_share_is_held_out(tmp_path, cache):
    folder = class_folders(tmp_path / "photos", {"cats": 10, "dogs": 5})
    data = opened(folder, val_share=0.4)
    assert np.bincount(data.val.labels).tolist() == [4, 2]
    assert np.bincount(data.train.labels).tolist() == [6, 3]
    again = opened(folder, val_share=0.4)
    assert again.val.names == data.val.names
    assert opened(folder, val_share=0.4, seed=1).val.names != data.val.names
