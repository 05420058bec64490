"""Figures of maps and kernels by what is drawn in them, and how any figure becomes a file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from deconvviz.errors import OutputError
from deconvviz.figures import filters_figure, maps_figure, projection_figure, save_figure
from deconvviz.figures.parts import save_tile

from .support import SIDE, images, noise, texts


def test_maps(photo):
    features = noise(6, 5, 7).relu()
    features[2] = 0
    figure = maps_figure(photo, features, [4, 2, 0], title="maps of conv1")
    drawn = images(figure)
    assert [tile.shape for tile in drawn] == [(SIDE, SIDE, 3), (5, 7, 3), (5, 7, 3), (5, 7, 3)]
    words = texts(figure)
    assert {"4", "2 dead", "0", "photograph", "maps of conv1"} <= set(words)
    assert any("1 dead" in text for text in words)
    assert len(np.unique(drawn[2])) == 1
    assert drawn[1][features[4] == 0].max() <= 4  # zero is black


def test_a_layer_of_single_values(photo):
    values = noise(30)
    ((sheet, *_),) = [images(maps_figure(photo, values, range(30), title="all"))]
    np.testing.assert_array_equal(np.ma.filled(sheet, np.nan).ravel()[:30], values.numpy())
    names = ["tabby", "", "50 $ bill_$x$"]
    bars = maps_figure(photo, values, [3, 17, 5], title="three", names=names)
    assert [bar.get_width() for bar in bars.axes[0].patches] == pytest.approx(values[[3, 17, 5]].tolist())
    assert {"tabby  3", "unit 17", "50 $ bill_$x$  5"} <= set(texts(bars))


def test_kernels_in_colour():
    weight = noise(5, 3, 4, 4)
    weight[1, :, 0, 0] = 0
    figure = filters_figure(weight, [1, 4], title="conv1")
    drawn = images(figure)
    assert [tile.shape for tile in drawn] == [(4, 4, 3)] * 2
    assert drawn[0][0, 0].tolist() == [128] * 3
    assert {"1", "4", "conv1"} <= set(texts(figure))


def test_kernels_as_a_table():
    weight = noise(4, 6, 3, 3)
    weight[2, 5] = 0
    figure = filters_figure(weight, [2, 0, 3], title="conv2", scale="each")
    (sheet,) = images(figure)
    assert sheet.shape == (3 * 4 - 1, 6 * 4 - 1)
    assert (sheet[0:3, 20:23] == 128).all()
    words = texts(figure)
    first = words.index("2")
    assert words[first : first + 3] == ["2", "0", "3"]  # the rows
    assert {"0", "1", "2", "3", "4", "5", "conv2"} <= set(words)


def test_a_part_is_saved_pixel_by_pixel(tmp_path):
    tile = np.random.default_rng(0).integers(0, 256, (11, 11, 3), dtype=np.uint8)
    path = save_tile(
        tile, tmp_path / "new" / "part.png", {"Software": "deconvviz", "Description": "größe 猫"}
    )
    with Image.open(path) as saved:
        np.testing.assert_array_equal(np.asarray(saved)[::23, ::23], tile)
        assert saved.text["Description"] == "größe 猫"


FACTS = {"Software": "deconvviz 9", "Description": json.dumps({"layer": "conv5 größe"}, ensure_ascii=False)}


@pytest.mark.parametrize(("suffix", "begin"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_figures_are_saved(tmp_path, photo, projection, suffix, begin):
    contents = []
    for name in "ab":
        figure = projection_figure(photo, projection, title="the $same_2$ figure")
        path = save_figure(figure, tmp_path / "new" / f"{name}.{suffix}", FACTS)
        assert path == tmp_path / "new" / f"{name}.{suffix}"
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]  # no date, no random ids
    assert contents[0].startswith(begin)
    if suffix == "png":
        with Image.open(path) as saved:
            assert {key: saved.text[key] for key in FACTS} == FACTS
    if suffix == "svg":
        text = contents[0].decode()
        assert all(word in text for word in ("unit 42", "the $same_2$ figure", "deconvviz 9", "conv5 größe"))


@pytest.mark.parametrize("name", ["a.bmp", "a.jpg", "a", "a.png.txt"])
def test_other_formats_are_refused(tmp_path, name):
    with pytest.raises(OutputError, match=r"\.png, \.svg, \.pdf"):
        save_figure(Figure(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_figure_too_large_for_a_png(tmp_path):
    with pytest.raises(OutputError, match="--topk"):
        save_figure(Figure(figsize=(3, 400), dpi=150), tmp_path / "a.png")
