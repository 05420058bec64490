"""The figure of a comparison, by what is drawn in it and where."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from deconvviz.compare.methods import METHODS
from deconvviz.figures import comparison_figure
from deconvviz.tiles import photo_tile, signed_scale, signed_tile

from ..compare.answered import PATCH, SIDE, answered, compared
from .support import artists, images, texts

LONG = "deconvviz train-decoder --layer classifier.6 --model my_networks:a_long_name --weights runs/far/away"


def whole(figure):
    """The pictures that are no enlarged parts, by their left and bottom."""
    found = [a for a in artists(figure) if np.asarray(a.get_array()).shape[:2] == (SIDE, SIDE)]
    return {tuple(np.round(a.get_extent(), 3)[[0, 2]]): np.asarray(a.get_array()) for a in found}


def drawn(answer):
    """A projection around grey at a scale of its own, a reconstruction as it is."""
    if METHODS[answer.method].projects:
        return signed_tile(answer.signal.numpy(), signed_scale([answer.signal.numpy()]))
    return photo_tile(answer.picture.numpy())


def outside_and_overlapping(figure):
    """Texts that leave the figure, and pairs of texts that touch."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    written = [t for axes in figure.axes for t in axes.texts if t.get_text()]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in written]
    width, height = figure.get_size_inches() * figure.dpi
    outside = [t for t, b in boxes if b.x0 < 0 or b.y0 < 0 or b.x1 > width or b.y1 > height]
    shrunk = [(t, b.padded(-2)) for t, b in boxes]
    touching = [(t, u) for (t, a), (u, b) in itertools.combinations(shrunk, 2) if a.overlaps(b)]
    return outside, touching


def test_a_row_a_layer_and_a_column_a_method():
    one = compared()
    figure = comparison_figure([one], title="a $title$", caption="tiny, seed 0")
    tiles = whole(figure)
    bottoms = sorted({y for _, y in tiles}, reverse=True)
    lefts = sorted({x for x, _ in tiles})
    assert (len(bottoms), len(lefts)) == (2, 8)
    for layer, y in zip(one.layers, bottoms, strict=True):
        np.testing.assert_array_equal(tiles[lefts[0], y], photo_tile(one.original.numpy()))
        for method, x in zip(one.methods, lefts[1:], strict=True):
            np.testing.assert_array_equal(tiles[x, y], drawn(one.answers[layer, method]))
    said = texts(figure)
    for answer in one.answers.values():
        assert f"{answer.errors['psnr']:.1f}" in said
        assert f"{answer.errors['psnr_fitted']:.1f}" in said
        assert f"{answer.errors['feature_error_fitted']:.2f}" in said
        assert f"{answer.seconds:.2f} s" in said or f"{answer.seconds:.0f} s" in said
    for text in ("a $title$", "tiny, seed 0", "conv1", "fc8", "unit 7 at 2,5", "map 7", "projections"):
        assert text in said
    told = " ".join(said)
    assert all(method.title in said for method in METHODS.values())
    assert "projection is no reconstruction" in told
    assert "which is zero" in told
    for method in METHODS.values():
        assert method.given in told  # wrapped, but whole and in order


def test_grey_is_zero_and_small_parts_are_enlarged():
    one = compared(layers=("conv1",), methods=("strongest", "layer"))
    figure = comparison_figure([one], title="")
    top, left, height, width = PATCH
    parts = [a for a in artists(figure) if np.asarray(a.get_array()).shape[:2] == (height, width)]
    shown = [np.asarray(a.get_array()) for a in parts]
    strongest = drawn(one.answers["conv1", "strongest"])
    outside = np.ones((SIDE, SIDE), bool)
    outside[top : top + height, left : left + width] = False
    assert (strongest[outside] == 128).all()
    wanted = [photo_tile(one.original.numpy()), strongest]
    assert len(shown) == len(wanted)
    for part, tile in zip(shown, wanted, strict=True):
        np.testing.assert_array_equal(part, tile[top : top + height, left : left + width])
    place = next(a for a in artists(figure)).get_extent()  # of the image
    across = (place[1] - place[0]) / SIDE
    x0, x1, y0, y1 = parts[0].get_extent()
    patch = place[0] + left * across, place[3] - (top + height) * across
    assert x1 <= patch[0] or y1 <= patch[1]  # hides nothing of what it enlarges
    assert x1 - x0 > 1.5 * width * across
    assert y1 - y0 > 1.5 * height * across


def test_a_row_an_image():
    several = [compared(f"{n}.jpg", ("conv1",), ("map", "decoder"), seed=10 * n) for n in (1, 2, 3)]
    figure = comparison_figure(several, rows="images", title="")
    tiles = whole(figure)
    bottoms = sorted({y for _, y in tiles}, reverse=True)
    lefts = sorted({x for x, _ in tiles})
    for one, y in zip(several, bottoms, strict=True):
        assert one.name in texts(figure)
        np.testing.assert_array_equal(tiles[lefts[0], y], photo_tile(one.original.numpy()))
        np.testing.assert_array_equal(tiles[lefts[2], y], drawn(one.answers["conv1", "decoder"]))
    assert "conv1" not in texts(figure)


def test_empty_cells_say_why_and_what_would_fill_them():
    one = compared(missing=(("fc8", "decoder"),), why="no decoder for fc8", advice=LONG)
    said = " ".join(texts(comparison_figure([one], title="")))
    assert "no decoder for fc8" in said
    assert LONG.replace(" ", "") in said.replace(" ", "")
    nothing = compared(missing=tuple(one.answers), why="interrupted", advice="")
    figure = comparison_figure([nothing], title="")
    assert texts(figure).count("interrupted") == 14
    assert len(images(figure)) == 2


@pytest.mark.parametrize("methods", [tuple(METHODS), ("strongest",), ("decoder", "optimised")])
def test_nothing_overlaps_or_leaves_the_figure(methods):
    named = "a name of a file that is rather longer than a tile is wide.jpg"
    one = compared(named, methods=methods, missing=(("fc8", methods[-1]),), why="a reason " * 9, advice=LONG)
    figure = comparison_figure(
        [one],
        title="one image: what each method makes of the same activations",
        name_of=lambda layer, channel: "a class with a long name" if layer == "fc8" else "",
    )
    assert outside_and_overlapping(figure) == ([], [])
    by_image = comparison_figure([replace(one, layers=("conv1",))] * 2, rows="images", title="")
    assert outside_and_overlapping(by_image) == ([], [])


def test_numbers_that_nobody_has_are_left_out_or_dashes():
    one = compared(methods=("strongest",))
    alone = {c: replace(a, errors={**a.errors, "image_error": np.nan}) for c, a in one.answers.items()}
    assert "image error" not in texts(comparison_figure([replace(one, answers=alone)], title=""))
    flat = replace(answered("fc8", "strongest"), signal=torch.zeros(3, SIDE, SIDE), errors={"psnr": np.inf})
    said = texts(comparison_figure([replace(one, answers={**alone, ("fc8", "strongest"): flat})], title=""))
    assert {"–", "∞"} <= {*said}
    assert "a class" in " ".join(
        texts(comparison_figure([one], title="", name_of=lambda layer, channel: "a class"))
    )
