"""Windows: receptive-field arithmetic, cutting and pasting, and windowed projections."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from deconvviz import load_model, project_trace, record
from deconvviz.deconvnet import Rectification, Rules, Trace, Unit, Windows, mirror, strongest

from .. import strategies as some
from ..oracle import relative_error
from ..strategies import Case, drawn, noise

RULES = pytest.mark.parametrize("rule", list(Rectification), ids=lambda rule: rule.value)


@st.composite
def windows(draw: st.DrawFn) -> Windows:
    """Up to three windows, inside the map, hanging over its edge or beside it."""
    map_size, size = draw(some.pairs(1, 7)), draw(some.pairs(1, 7))
    corners = draw(st.lists(some.pairs(-8, 8), min_size=1, max_size=3))
    images = tuple(draw(st.integers(0, 1)) for _ in corners)
    return Windows(images, tuple(c[0] for c in corners), tuple(c[1] for c in corners), size, map_size)


def cells(window: Windows, k: int) -> list[tuple[int, int, int, int]]:
    """(row, column) inside the k-th window and on its map, cell by cell, for the cells on the map."""
    return [
        (i, j, i + window.tops[k], j + window.lefts[k])
        for i in range(window.size[0])
        for j in range(window.size[1])
        if 0 <= i + window.tops[k] < window.map_size[0] and 0 <= j + window.lefts[k] < window.map_size[1]
    ]


@given(windows())
@drawn(200)
def test_crop_cell_by_cell(window: Windows) -> None:
    maps = noise(0, 2, 3, *window.map_size)
    wanted = torch.zeros(len(window), 3, *window.size, dtype=maps.dtype)
    for k, image in enumerate(window.images):
        for i, j, row, column in cells(window, k):
            wanted[k, :, i, j] = maps[image, :, row, column]
    assert torch.equal(window.crop(maps), wanted)


@given(windows())
@drawn(200)
def test_paste_cell_by_cell_and_clear_outside(window: Windows) -> None:
    signal = noise(0, len(window), 3, *window.size)
    wanted = torch.zeros(len(window), 3, *window.map_size, dtype=signal.dtype)
    kept = torch.zeros_like(signal)
    for k in range(len(window)):
        for i, j, row, column in cells(window, k):
            wanted[k, :, row, column] = signal[k, :, i, j]
            kept[k, :, i, j] = signal[k, :, i, j]
    assert torch.equal(window.paste(signal), wanted)
    assert torch.equal(window.clear_outside(signal.clone()), kept)
    own = replace(window, images=tuple(range(len(window))))
    assert torch.equal(own.crop(own.paste(signal)), kept)


@given(windows())
@drawn(100)
def test_clipped_covers_the_same_cells(window: Windows) -> None:
    alone = window.pick(0)
    on_map = {(row, column) for _, _, row, column in cells(alone, 0)}
    clipped = alone.clipped()
    assert clipped.clip
    if on_map:
        assert {(row, column) for _, _, row, column in cells(clipped, 0)} == on_map
        assert clipped.size[0] * clipped.size[1] == len(on_map)
    else:
        assert clipped.is_whole


def seen_pixels(net: nn.Module, images: Tensor, row: int, column: int) -> Tensor:
    """(H, W) bool: the pixels that change the unit at this place when they are perturbed, one by one."""
    height, width = images.shape[2:]
    perturbed = images.repeat(height * width, 1, 1, 1)
    for pixel in range(height * width):
        perturbed[pixel, :, pixel // width, pixel % width] += 1.0
    with torch.no_grad():
        changed = net(perturbed)[:, 0, row, column] != net(images)[0, 0, row, column]
    return changed.view(height, width)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(0, 1)), min_size=1, max_size=2))
@drawn(40)
def test_receptive_windows_by_perturbing_pixels(layers: list[tuple[int, int, int]]) -> None:
    net = nn.Sequential()
    for kernel, stride, padding in layers:
        into = 1 if len(net) else 3
        stride = min(stride, kernel)  # larger strides skip pixels, and the field has holes
        conv = nn.Conv2d(into, 1, kernel, stride, min(padding, kernel // 2), bias=False)
        nn.init.constant_(conv.weight, 1.0)
        net.append(conv.double())
    images = (5 * noise(0, 1, 3, 11, 12)).round()  # whole numbers: sums are exact in any order
    last = str(len(net) - 1)
    trace = record(net, images, [last])
    height, width = trace.features(last).shape[2:]
    units = [Unit(last, 0, row, column) for row in (0, height - 1) for column in (0, width // 2)]
    projection = project_trace(trace, [*units, Unit(last, 0, height // 2, width // 2)])
    for unit, clipped, uncut in zip(
        projection.units, projection.windows.tolist(), projection.uncut.tolist(), strict=True
    ):
        top, left, rows, columns = clipped
        seen = seen_pixels(net, images, unit.row or 0, unit.column or 0)
        window = torch.zeros_like(seen)
        window[top : top + rows, left : left + columns] = True
        assert not (seen & ~window).any(), f"{unit} sees more than {clipped}"
        if clipped == uncut:  # over the edge, padding further up may see rows that nothing else does
            assert torch.equal(seen, window), f"{unit} sees less than {clipped}"


def test_a_corner_units_window_where_windows_are_as_large_as_the_image() -> None:
    net = nn.Sequential(*[nn.Conv2d(3, 3, 3, padding=1) for _ in range(3)])
    projection = project_trace(record(net, torch.ones(1, 3, 7, 7), ["2"]), [Unit("2", 0, 0, 6)])
    assert projection.windows.tolist() == [[0, 3, 4, 4]]


def corner_units(trace: Trace, layer: str) -> list[Unit]:
    """Units at the four corners, in the middle and at the strongest places of the map."""
    height, width = trace.features(layer).shape[2:]
    ends = [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1), (height // 2, width // 2)]
    return [Unit(layer, i % 2, *place, image=i % 2) for i, place in enumerate(ends)] + strongest(
        trace, layer, 2
    )


@given(some.chains(flat=False), st.sampled_from(list(Rectification)))
@drawn(80)
def test_windowed_equals_full_on_random_chains(case: Case, rule: Rectification) -> None:
    last = str(len(case.net) - 1)
    trace = record(case.net, case.images, [last])
    units = corner_units(trace, last)
    inside = project_trace(trace, units, rules=Rules(rule), seed="one")
    whole = project_trace(trace, units, rules=Rules(rule), seed="one", windowed=False)
    assert relative_error(inside.pixels, whole.pixels).max() < 1e-10
    for pixels, (top, left, height, width) in zip(inside.pixels, inside.windows.tolist(), strict=True):
        outside = pixels.clone()
        outside[:, top : top + height, left : left + width] = 0
        assert not outside.any()


@given(some.chains(), st.sampled_from(list(Rectification)))
@drawn(80)
def test_one_by_one_equals_one_batch_on_random_chains(case: Case, rule: Rectification) -> None:
    last = str(len(case.net) - 1)
    trace = record(case.net, case.images, [last])
    features = trace.features(last)
    if features.ndim == 4:
        height, width = features.shape[2:]
        units = corner_units(trace, last)
        places = [(u.row or 0, u.column or 0) for u in units]
        tops, lefts = tuple(p[0] for p in places), tuple(p[1] for p in places)
        start = Windows(tuple(u.image for u in units), tops, lefts, (1, 1), (height, width))
        signal = noise(5, len(units), features.shape[1], 1, 1)
    else:
        start, signal = Windows.whole((0, 1, 1), (1, 1)), noise(5, 3, features.shape[1])
    net = mirror(trace, last, Rules(rule))
    whole = net(start.paste(signal) if signal.ndim == 4 else signal, start.images)
    for budget in (0, 2_000, 10**12):
        pieces = net.descend(signal.clone(), start, budget)
        assert [len(w) for _, w in pieces] == (
            [len(start)] if budget > 2_000 else [len(w) for _, w in pieces]
        )
        pixels = torch.cat([w.paste(p) for p, w in pieces])
        assert relative_error(pixels, whole).max() < 1e-10


@RULES
@pytest.mark.parametrize("layer", ["conv1", "pool1", "conv2", "conv5", "pool5"])
def test_windowed_equals_full_on_alexnet(photo_like: Tensor, layer: str, rule: Rectification) -> None:
    network = load_model("alexnet", "random")
    network.module.double()
    images = torch.cat([photo_like, photo_like.flip(2, 3)])
    trace = record(network, images, [layer])
    units = corner_units(trace, layer)
    inside = project_trace(trace, units, rules=Rules(rule), seed="one").pixels
    whole = project_trace(trace, units, rules=Rules(rule), seed="one", windowed=False).pixels
    assert relative_error(inside, whole).max() < 1e-10
