"""The figure of an atlas, by what is drawn in it and where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from deconvviz.atlas.atlas import Entry
from deconvviz.atlas.rendered import NOT_FIRED, Rendered
from deconvviz.figures import AtlasLayer, atlas_figure, save_figure

from .support import artists, images, noise, texts

SIDE = 40


def entry(channel, rank, activation):
    return Entry("conv1", channel, rank, f"photos/{rank}.png", "", 3, 4, activation, (0, 0, 7, 7))


def one(channel=0, rank=0, size=(7, 7), activation=None, strength=1.0, problem="", again=None):
    value = 9.0 - rank if activation is None else activation
    patch = np.full((*size, 3), (10 * channel + rank) % 256, np.uint8)
    projection = strength * noise(3, *size, seed=rank).numpy()
    projection[:, 0, 0] = 0
    inside = (0, 0, *size)
    return Rendered(
        entry(channel, rank, value), patch, projection, value if again is None else again, inside, problem
    )


def unit(channel=0, k=9, **more):
    return [one(channel, rank, **more) for rank in range(k)]


def silent(rank=0):
    return one(rank=rank, activation=0.0, strength=0.0, problem=NOT_FIRED)


def drawn(*units, name="conv1", **more):
    return atlas_figure([AtlasLayer(name, units, SIDE, **more)], title="what excites units", caption="tiny")


def boxes(figure):
    """Left, bottom, width and height of every tile, in pixels of the figure."""
    found = [image.get_window_extent() for image in artists(figure)]
    return np.array([(box.x0, box.y0, box.width, box.height) for box in found])


def test_nine_projections_beside_the_nine_patches_of_a_unit():
    figure = drawn(unit(5), unit(7))
    tiles = images(figure)
    assert len(tiles) == 2 * 2 * 9
    places = boxes(figure)
    for u, channel in enumerate((5, 7)):
        projections, patches = (places[18 * u + i : 18 * (u + 1) : 2] for i in (0, 1))
        assert projections[:, 0].max() + projections[0, 2] < patches[:, 0].min()
        assert len(patches) == 9
        np.testing.assert_allclose(patches[:, 1], projections[:, 1])
        for block in (projections, patches):
            order = sorted(range(9), key=lambda i: (-round(block[i, 1]), round(block[i, 0])))
            assert order == list(range(9))  # the strongest first, row by row
            assert len({round(x) for x in block[:, 0]}) == len({round(y) for y in block[:, 1]}) == 3
        for rank in range(9):
            assert (tiles[18 * u + 2 * rank + 1] == 10 * channel + rank).all()
    words = texts(figure)
    assert {"what excites units", "tiny", "conv1", "unit 5", "unit 7", "9 to 1"} <= set(words)
    assert any("7 x 7 of 40 x 40 pixels" in text for text in words)


def test_one_contrast_a_unit_and_grey_is_zero():
    faint = [one(strength=0.01 if rank else 0.002, rank=rank) for rank in range(4)]
    figure = drawn(faint, unit(1, 4, strength=50.0))
    assert any("at one contrast a unit" in text.replace("\n", " ") for text in [" ".join(texts(figure))])
    tiles = [tile.astype(int) - 128 for tile in images(figure)[::2]]
    spans = [np.abs(tile).max() for tile in tiles]
    assert max(spans[:4]) >= 126  # both units use it all
    assert max(spans[4:]) >= 126
    assert spans[0] < 40  # the fainter projection of a unit stays fainter
    assert all((tile[0, 0] == 0).all() for tile in tiles)
    assert (
        np.sign(tiles[5])[np.abs(tiles[5]) > 2]
        == np.sign(unit(1, 4)[1].projection.transpose(1, 2, 0)[np.abs(tiles[5]) > 2])
    ).all()


def test_beyond_the_image_projections_are_white_too():
    cut = replace(one(size=(200, 200)), inside=(50, 0, 150, 120))
    tile = images(drawn([cut]))[0]
    side = len(tile)
    assert (tile[: side // 4] == 255).all()
    assert (tile[:, round(0.6 * side) + 1 :] == 255).all()
    assert (tile[side // 4 + 1 :, : round(0.6 * side) - 1] != 255).any(2).mean() > 0.9


def test_what_shrinks_keeps_its_contrast():
    stripes = np.indices((200, 200)).sum(0) % 2 * 2.0 - 1
    wide = np.zeros((3, 200, 200), np.float32)
    wide[:, 40:160] = stripes[40:160] + 0.05
    fine = Rendered(entry(0, 0, 1.0), np.zeros((200, 200, 3), np.uint8), wide, 1.0, (0, 0, 200, 200))
    pale = images(drawn([fine]))[0].astype(int)
    many = images(drawn([fine] * 16))[0].astype(int)  # printed at about 95 dots a side
    assert pale.max() == 255
    assert pale.mean() == pytest.approx(128 + 127 * 0.6 * 0.05, abs=1)
    assert many[40:60, 40:60].min() > 200


@pytest.mark.parametrize(("k", "wide", "high"), [(1, 1, 1), (4, 2, 2), (5, 3, 2), (9, 3, 3), (16, 4, 4)])
def test_other_numbers_of_activations(k, wide, high):
    figure = drawn(unit(3, k))
    places = boxes(figure)[::2].round()
    assert len(places) == k
    assert (len(set(places[:, 0])), len(set(places[:, 1]))) == (wide, high)
    assert ("9 to" in " ".join(texts(figure))) == (k > 1)


def test_blocks_of_all_layers_are_equally_large():
    layers = [
        AtlasLayer("conv1", [unit(0), unit(1)], SIDE),
        AtlasLayer("conv2", [unit(2, size=(21, 21))], SIDE),
        AtlasLayer("fc6", [unit(3, size=(SIDE, SIDE))], SIDE, names=["tabby"]),
    ]
    figure = atlas_figure(layers, title="")
    places = boxes(figure)
    np.testing.assert_allclose(places[:, 2:], places[0, 2])
    words = " ".join(texts(figure))
    assert "a unit sees 7 x 7 of 40 x 40 pixels" in words
    assert "a unit sees the whole image, 40 x 40 pixels" in words
    assert "unit 3  tabby" in texts(figure)
    headings = [next(t for t in figure.axes[0].texts if t.get_text() == layer.name) for layer in layers]
    ys = [heading.get_window_extent().y0 for heading in headings]
    assert ys == sorted(ys, reverse=True)


def test_windows_that_are_not_square_keep_their_shape():
    figure = drawn(unit(size=(4, 8)))
    for _, _, width, height in boxes(figure):
        assert height == pytest.approx(width / 2)


def test_silence_and_missing_images_are_said():
    gone = one(rank=1, problem="image is gone: x does not exist", again=float("nan"), strength=0.0)
    figure = drawn([one(), gone, silent(2), silent(3)])
    words = texts(figure)
    assert words.count("image\ngone") == 2
    assert words.count("did not\nfire") == 4
    assert all((tile == 128).all() for tile in images(figure)[2:])
    assert not any("red" in text.split() for text in words)


def test_a_dead_unit_is_one_tile_a_block():
    figure = drawn([silent(rank) for rank in range(9)], unit(1))
    assert texts(figure).count("dead: no image\nexcites it") == 2
    assert len(images(figure)) == 2 + 18


def test_what_differs_is_framed():
    odd = one(rank=1, problem="activation 3 where the atlas has 8", again=3.0)
    figure = drawn([one(), odd, one(rank=2)])
    framed = [patch for patch in figure.axes[0].patches if patch.get_gid() == "differs"]
    assert len(framed) == 2
    assert "Framed in red" in " ".join(texts(figure))


def test_long_names_stay_on_the_page(tmp_path):
    name = "stage3.blocks.7.residual_branch.pointwise_convolution_after_expansion.activation"
    layer = AtlasLayer(
        name, [unit(k, 1) for k in range(5)], SIDE, names=["a class with a $long^name " * 4] * 5
    )
    figure = atlas_figure([layer], title="a title " * 40, caption="a caption " * 60)
    width = figure.get_size_inches()[0] * figure.dpi
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert 0 <= box.x0 <= box.x1 <= width, text.get_text()
    assert any(text.startswith("stage3.blocks") for text in texts(figure))
    assert save_figure(figure, tmp_path / "long.png").is_file()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 60])
def test_any_number_of_units(count):
    figure = drawn(*[unit(c, 1) for c in range(count)])
    places = boxes(figure)
    assert len(places) == 2 * count
    right, top = figure.get_size_inches() * figure.dpi
    assert places[:, :2].min() >= 0
    assert (places[:, 0] + places[:, 2]).max() <= right
    assert (places[:, 1] + places[:, 3]).max() <= top
    assert len({(round(x), round(y)) for x, y, _, _ in places}) == 2 * count
