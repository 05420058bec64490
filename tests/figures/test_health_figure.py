"""The figure of filter health, by what is drawn in it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle
from torch import nn

from deconvviz.experiments.filter_health import filter_health
from deconvviz.figures import health_figure
from deconvviz.figures.health_first import FLAGS, flags_of, shown_first
from deconvviz.models.load import preset
from deconvviz.models.network import Network, WeightsOrigin
from deconvviz.tiles import signed_tile

from .support import artists, images, noise, texts


def found(maps=20, stride=4, looked=True, inputs=3, names=None, depth=1):
    """The health of a network with a dominant, a zeroed, a copied and a rough first kernel."""
    layers = [nn.Conv2d(inputs, maps, 7, stride=stride), nn.ReLU()]
    for _ in range(depth):
        layers += [nn.Conv2d(maps, maps, 1), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(3))
    with torch.no_grad():
        net(torch.zeros(1, inputs, 21, 21))
        coarse = nn.functional.interpolate(noise(maps, inputs, 2, 2), 7, mode="bilinear", align_corners=True)
        net[0].weight.copy_(0.1 * coarse)
        if maps > 4:
            net[0].weight[1] *= 20
            net[0].weight[2] = 0
            net[0].weight[3] = net[0].weight[0]
            net[0].weight[4] = 0.1 * noise(inputs, 7, 7, seed=4)
    network = Network("net", net.eval(), preset(True, 21), WeightsOrigin("w.pth"), names or {})
    return filter_health(network, (), [noise(3, inputs, 21, 21, seed=7)] if looked else None)


def frames(figure):
    """The colours of the frames of kernels and of the legend."""
    patches = [p for axes in figure.axes for p in axes.patches if isinstance(p, Rectangle)]
    return [tuple(p.get_edgecolor()) for p in patches if not p.get_fill()]


def dots(figure):
    """How many dots there are of each colour."""
    counts = {}
    for axes in figure.axes:
        for cloud in axes.collections:
            colour = tuple(cloud.get_facecolor()[0][:3])
            counts[colour] = counts.get(colour, 0) + len(cloud.get_offsets())
    return counts


def test_kernels_are_flagged_and_sorted_by_what_aliases():
    health = found()
    first = health[0]
    assert flags_of(first) == {1: "dominant", 2: "zero", 3: "twin", 4: "rough"}
    order = shown_first(first)
    assert sorted(order) == list(range(20))
    shares = first.first.aliasing[order].tolist()
    assert shares == sorted(shares, reverse=True)
    figure = health_figure(health, title="net: the health of its filters", caption="weights w.pth")
    drawn = images(figure)
    assert len(drawn) == 20 + 1
    for unit, tile in zip(order, drawn[:20], strict=True):
        kernel = first.first.kernels[unit].numpy()
        np.testing.assert_array_equal(tile, signed_tile(kernel, np.abs(kernel).max() or 1.0))
    assert drawn[20].shape == (64, 64, 3)
    words = texts(figure)
    said = "all 20 kernels of 0, 3×7×7, with the share of their energy that aliases, the largest first"
    carried = "dashed: what stride 4 carries without aliasing;"
    assert {"net: the health of its filters", said, carried} <= set(words)
    assert f"{order[0]} · {100 * shares[0]:.0f} %" in words
    assert {text for _, text in FLAGS.values()} - {"never fires"} <= set(words)
    assert len(frames(figure)) == 4 + 4 + 1  # kernels, legend, what the stride carries
    assert any(text.startswith("weights w.pth · twins: ") for text in words)


def test_at_stride_1_kernels_are_sorted_by_size_and_nothing_aliases():
    health = found(stride=1)
    order = shown_first(health[0])
    assert order[0] == 1
    assert order[-1] == 2
    words = texts(health_figure(health, title=""))
    assert "stride 1 carries all of it: nothing aliases" in words
    assert f"1 · {health[0].rms[1]:.3g}" in words


def test_of_many_kernels_those_with_flags_are_kept():
    health = found(maps=90)
    order = shown_first(health[0])
    assert len(order) == 64
    assert {1, 2, 3, 4} <= set(order)
    assert any(text.startswith("64 of 90 kernels") for text in texts(health_figure(health, title="")))


def test_a_row_a_layer_with_a_dot_a_filter_and_a_dot_a_unit():
    health = found()
    figure = health_figure(health, title="")
    counted = sum(dots(figure).values())
    assert counted == (20 + 20 + 3) + (20 + 20)  # filters, then units that are rectified
    (bad,) = {c for c in dots(figure) if c[0] > c[2]}
    fired = [one.firings for one in health[:2]]
    troubled = sum(len(f.dead) + len(f.rare) + len(f.always) for f in fired)
    assert dots(figure)[bad] == 2 + troubled  # the dominant and the zero filter
    words = texts(figure)
    assert {"0", "2", "5", "0.1, the paper's radius", "rarely", "never", "no rectifier follows"} <= set(words)
    assert "over 3 images · bar: mean" in words
    for one in fired:
        assert f"{100 * one.zeros:.0f} %" in words


def test_without_images_nothing_is_said_of_what_fires():
    figure = health_figure(found(looked=False), title="")
    words = texts(figure)
    assert sum(dots(figure).values()) == 43
    assert any("--data would tell" in text for text in words)
    assert not {"rarely", "never", "dead", "zeros", "—"} & set(words)


def test_layers_without_the_first_one_make_a_figure_without_kernels():
    figure = health_figure(found()[1:], title="")
    assert images(figure) == []
    assert "2" in texts(figure)


def test_filters_that_hold_no_numbers():
    health = found(looked=False)
    health[1].rms[3:5] = torch.tensor([torch.nan, torch.inf], dtype=torch.float64)
    assert "2 filters hold NaN or infinity" in texts(health_figure(health, title=""))


@pytest.mark.parametrize(
    "case", [{}, {"maps": 1}, {"maps": 66}, {"maps": 8, "depth": 25}, {"inputs": 1}, {"stride": 1}]
)
def test_nothing_overlaps_or_leaves_the_page(case):
    health = found(**case, names={"ein sehr langer Name für Größe, und noch länger als das": "0"})
    figure = health_figure(health, title="net: the health of its filters", caption="weights w.pth")
    page = figure.bbox
    tiles = [image.get_window_extent() for image in artists(figure)]
    lines = [text.get_window_extent() for axes in figure.axes for text in axes.texts if text.get_text()]
    for box in (*tiles, *lines):
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
    left, low, right, high = np.array([b.shrunk(0.95, 0.8).extents for b in (*tiles, *lines)]).T
    across = (left[:, None] < right) & (left < right[:, None])
    down = (low[:, None] < high) & (low < high[:, None])
    assert np.triu(across & down, 1).sum() == 0
