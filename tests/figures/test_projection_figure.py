"""The figure of a projection, by what is drawn in it and where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from deconvviz import Projection, Unit
from deconvviz.figures import projection_figure
from deconvviz.figures.parts import named_parts

from .support import CHANNELS, CUT, SIDE, artists, images, noise, texts


def boxes(figure):
    """The numbered rectangles, in pixels of the photograph: number to top, left, height, width."""
    photo = artists(figure)[0]
    (x0, y0), (x1, y1) = photo.get_window_extent().get_points()
    height, width = photo.get_array().shape[:2]
    found = {}
    for axes in figure.axes:
        for patch in axes.patches:
            if (patch.get_gid() or "").startswith("window "):
                (left, bottom), (right, top) = patch.get_window_extent().get_points()
                place = (y1 - top, left - x0, top - bottom, right - left)
                scale = (height / (y1 - y0), width / (x1 - x0)) * 2
                number = int(patch.get_gid().split()[1])
                found[number] = tuple(round(p * s, 3) for p, s in zip(place, scale, strict=True))
    return found


def test_a_photograph_and_two_tiles_a_unit(photo, projection):
    figure = projection_figure(
        photo, projection, title="cat: conv3", caption="tiny", names=["", "tabby", "", ""]
    )
    drawn = images(figure)
    assert len(drawn) == 1 + 2 * 4
    assert drawn[0].shape == (SIDE, SIDE, 3)
    assert {tile.shape for tile in drawn[1:]} == {(11, 11, 3)}
    words = texts(figure)
    for k, channel in enumerate(CHANNELS):
        assert f"unit {channel}  " + ("tabby" if k == 1 else f"at {k},{k}") in words
    assert "12.3" in words
    assert "cat: conv3" in words
    assert any(text.startswith("tiny · ") and "grey is zero" in text for text in words)


def test_patches_are_cut_from_the_photograph(photo, projection):
    drawn = images(projection_figure(photo, projection, title=""))
    np.testing.assert_array_equal(drawn[1], drawn[0][5:16, 7:18])
    np.testing.assert_array_equal(drawn[3][3:, :10], drawn[0][0:8, 30:40])  # hangs over a corner
    assert (drawn[3][:3] == 255).all()
    assert (drawn[3][:, 10:] == 255).all()


def test_grey_is_zero(photo, projection):
    drawn = images(projection_figure(photo, projection, title=""))
    assert drawn[2][2, 2].tolist() == [128] * 3
    assert drawn[4][5, 2].tolist() == [128] * 3  # three rows of it lie above the image
    assert (drawn[6] == 128).all()
    bright = projection.pixels[0][:, 5:16, 7:18].permute(1, 2, 0).numpy()
    assert (drawn[2][bright > 0.2] > 128).all()
    assert (drawn[2][bright < -0.2] < 128).all()


@pytest.mark.parametrize("scale", ["shared", "each"])
def test_contrast(photo, projection, scale):
    figure = projection_figure(photo, projection, title="", scale=scale)
    faint, strong = (np.abs(images(figure)[i][:, :10].astype(int) - 128) for i in (2, 4))
    assert strong.max() >= 126
    assert (faint.max() >= 126) == (scale == "each")
    assert any(("one scale, ±" if scale == "shared" else "its own scale") in text for text in texts(figure))


def test_silence_is_said(photo, projection):
    words = texts(projection_figure(photo, projection, title=""))
    assert words.count("inactive") == 1
    assert words.count("nothing arrives") == 1


def test_rectangles_lie_at_the_windows(photo, projection):
    figure = projection_figure(photo, projection, title="")
    assert boxes(figure) == {k: tuple(map(float, window)) for k, window in enumerate(CUT, start=1)}
    numbers = [text for text in figure.axes[0].texts if text.get_text() in "1234" and text.get_bbox_patch()]
    assert [text.get_text() for text in numbers] == ["1", "2", "3", "4"]
    discs = [text.get_window_extent() for text in numbers]
    assert sum(a.overlaps(b) for i, a in enumerate(discs) for b in discs[:i]) == 0
    frame = artists(figure)[0].get_window_extent()
    assert all(frame.x0 <= d.x0 <= d.x1 <= frame.x1 and frame.y0 <= d.y0 <= d.y1 <= frame.y1 for d in discs)


def test_no_rectangles_where_every_unit_sees_everything(photo):
    whole = torch.tensor([[0, 0, SIDE, SIDE]])
    units = (Unit("fc8", 3),)
    seen = Projection(noise(1, 3, SIDE, SIDE), units, torch.tensor([-2.5]), whole, whole)
    figure = projection_figure(photo, seen, title="", names=["tabby cat"])
    assert not boxes(figure)
    assert {"unit 3  tabby cat", "-2.5", "every unit sees the whole photograph"} <= set(texts(figure))
    seen = replace(seen, source="map")
    words = texts(projection_figure(photo, seen, title=""))
    assert "whole maps, projected" in words
    assert "every unit sees the whole photograph" not in words
    seen = replace(seen, source="layer")
    words = texts(projection_figure(photo, seen, title=""))
    assert {"the whole layer, projected", "all activations together", "-2.5"} <= set(words)
    assert not any(text.startswith("unit 3") or "unit at row" in text for text in words)
    assert list(dict(named_parts(photo, seen, "each"))) == ["layer_patch.png", "layer_projection.png"]


@pytest.mark.parametrize("count", [1, 2, 40])
def test_any_number_of_units(photo, projection, count):
    pick = [k % 4 for k in range(count)]
    many = Projection(
        projection.pixels[pick],
        tuple(projection.units[k] for k in pick),
        *(values[pick] for values in (projection.activations, projection.windows, projection.uncut)),
    )
    figure = projection_figure(photo, many, title="")
    assert len(images(figure)) == 1 + 2 * count
    places = [image.get_window_extent() for image in artists(figure)]
    assert all(0 <= p.x0 < p.x1 <= figure.bbox.x1 and 0 <= p.y0 < p.y1 <= figure.bbox.y1 for p in places)
    assert sum(a.overlaps(b) for i, a in enumerate(places) for b in places[:i]) == 0


def test_parts_are_named_after_their_units(photo, projection):
    parts = dict(named_parts(photo, projection, "shared"))
    stems = ["unit_0042", "unit_0007", "unit_0113", "unit_0007_r03_c03"]
    assert list(parts) == [f"{stem}_{kind}.png" for stem in stems for kind in ("patch", "projection")]
    drawn = images(projection_figure(photo, projection, title=""))
    for part, tile in zip(parts.values(), drawn[1:], strict=True):
        np.testing.assert_array_equal(part, tile)
