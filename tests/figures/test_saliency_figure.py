"""The figure of saliency, its heat maps and overlays, by what is drawn in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deconvviz.deconvnet import Rectification
from deconvviz.figures import saliency_figure
from deconvviz.figures.heat import heat_bar, heat_scale, heat_tile, overlay_tile
from deconvviz.gradients.saliency import Saliency

from .support import SIDE, artists, images, noise, texts


def found(classes, scale=1.0):
    """Saliency of so many classes, each stronger than the one before."""
    pixels = noise(classes, 3, SIDE, SIDE, seed=4) * scale * (1 + torch.arange(classes))[:, None, None, None]
    return Saliency(
        maps=pixels.abs().amax(1),
        pixels=pixels,
        targets=tuple(range(classes)),
        scores=torch.arange(classes) * 2.5 - 10.3521,
        probabilities=torch.full((classes,), 0.1234, dtype=torch.float64),
    )


def names(classes):
    return [f"class {i}" for i in range(classes)]


def brightness(tile):
    return tile.astype(float) @ np.array([0.299, 0.587, 0.114])


def test_zero_is_black_and_the_scale_a_high_percentile():
    heat = np.zeros((20, 30), np.float32)
    heat[5:15, 5:25] = np.arange(1, 201).reshape(10, 20)
    top = heat_scale(heat)
    assert top == pytest.approx(np.percentile(np.arange(1, 201), 99.5))
    tile = heat_tile(heat, top)
    assert tile.shape == (20, 30, 3)
    assert tile.dtype == np.uint8
    assert tile[0, 0].max() <= 4
    assert (tile[heat >= top] == heat_bar()[0, -1]).all()
    assert heat_scale(np.zeros((3, 3), np.float32)) == 1.0


def test_brighter_is_always_more_also_in_grey():
    levels = brightness(heat_tile(np.linspace(0, 1, 256, dtype=np.float32)[None], 1.0))[0]
    assert (np.diff(levels) > -0.6).all()  # of 255, which is what rounding to eight bits leaves
    assert (np.diff(levels[::8]) > 0).all()
    np.testing.assert_array_equal(heat_bar()[0, ::255], heat_tile(np.array([[0, 9]], np.float32), 9.0)[0])


def test_an_overlay_shows_both_the_image_and_the_heat():
    photo = np.zeros((4, 6, 3), np.uint8)
    photo[:, 3:] = 255
    heat = np.zeros((4, 6), np.float32)
    heat[1] = 5.0
    heat[2] = 2.5
    tile = overlay_tile(photo, heat, 5.0)
    assert tile.shape == photo.shape
    assert (tile[1] == heat_bar()[0, -1]).all()  # hot: the heat alone
    assert (tile[0] == tile[0][:, :1]).all()  # cold: the image alone, in grey
    dark, light = tile[0, 0, 0], tile[0, 5, 0]
    assert 20 < dark < light < 220  # neither black nor white, that heat be seen on both
    half = tile[2].astype(int)
    assert (half[0] != half[5]).any()
    assert half[0, 0] > half[0, 2]  # tinted


def test_a_class_alone(photo):
    figure = saliency_figure(
        photo, found(1), ["tabby"], title="cat: saliency", caption="tiny, seed 0", taken_for=["9 % lynx"]
    )
    image, heat, overlay, bar = images(figure)
    values = found(1).maps[0].numpy()
    top = heat_scale(values)
    np.testing.assert_array_equal(image, np.rint(255 * photo.permute(1, 2, 0).numpy()).astype(np.uint8))
    np.testing.assert_array_equal(heat, heat_tile(values, top))
    np.testing.assert_array_equal(overlay, overlay_tile(image, values, top))
    np.testing.assert_array_equal(bar, heat_bar())
    words = texts(figure)
    assert {"cat: saliency", "tiny, seed 0", "tabby", "9 % lynx", "what the network saw", "0"} <= set(words)
    assert "score -10.4 · probability 12.3 %" in words
    assert f"{top:.3g} and above" in words
    assert any("bright: a small change of this pixel moves the class's score" in text for text in words)
    assert any("99.5th percentile" in text for text in words)


def test_every_class_has_a_scale_of_its_own(photo):
    drawn = images(saliency_figure(photo, found(3), names(3), title=""))
    assert len(drawn) == 1 + 3 * 3
    assert all((tile == heat_bar()[0, -1]).all(2).any() for tile in drawn[1::3])
    words = texts(saliency_figure(photo, found(3), names(3), title=""))
    scales = [float(text.split()[0]) for text in words if text.endswith("and above")]
    assert len(scales) == 3
    assert scales == sorted(set(scales))
    order = [words.index(name) for name in names(3)]
    assert order == sorted(order)


@pytest.mark.parametrize("rule", list(Rectification), ids=lambda rule: rule.value)
def test_the_legend_is_the_rules(photo, rule):
    (legend,) = [
        t for t in texts(saliency_figure(photo, found(1), ["x"], title="", rule=rule)) if "bright" in t
    ]
    words = {
        Rectification.GRADIENT: "moves",
        Rectification.GUIDED: "guided backpropagation",
        Rectification.DECONVNET: "deconvnet",
        Rectification.NONE: "rectifiers are left out",
    }
    assert words[rule] in legend


def test_silence_is_said(photo):
    silent = found(2, scale=0.0)
    figure = saliency_figure(photo, silent, names(2), title="")
    assert texts(figure).count("nothing arrives") == 2
    assert not any("and above" in text for text in texts(figure))
    assert all(tile.max() <= 4 for tile in images(figure)[1::2])


@pytest.mark.parametrize("classes", [1, 4, 9])
def test_nothing_overlaps_or_leaves_the_page(photo, classes):
    long = "a class with a name that goes on and on, as some of ImageNet's do, and on"
    taken_for = ["taken for:", "12 % tabby", "9 % lynx", "3 % Egyptian cat"]
    figure = saliency_figure(
        photo, found(classes), [long] * classes, title="t", rule=Rectification.GUIDED, taken_for=taken_for
    )
    page = figure.bbox
    tiles = [image.get_window_extent() for image in artists(figure)]
    lines = [text.get_window_extent() for axes in figure.axes for text in axes.texts if text.get_text()]
    assert len(tiles) == 1 + 3 * classes
    for box in (*tiles, *lines):
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
    boxes = [box.shrunk(0.98, 0.9) for box in (*tiles, *lines)]
    assert sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]) == 0
