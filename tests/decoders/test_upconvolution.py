"""Up-convolutions against their definition, and sub-pixel layers that start without chequers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from deconvviz.decoders.upconvolution import SubPixel, UpConvolution, zeros_beside


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SHAPES = [(2, 3, 4, 5, 5), (1, 1, 1, 1, 1), (3, 2, 7, 6, 9), (1, 8, 3, 13, 13), (2, 4, 2, 1, 6)]
"""Images, maps that come in, maps that go out, height, width."""


@pytest.mark.parametrize(("n", "inputs", "outputs", "height", "width"), SHAPES)
def test_it_is_the_definition_forward_and_backward(n, inputs, outputs, height, width):
    layer = UpConvolution(inputs, outputs).double()
    maps = noise(n, inputs, height, width).requires_grad_()
    found, wanted = layer(maps), zeros_beside(maps, layer.weight, layer.bias)
    assert found.shape == (n, outputs, 2 * height, 2 * width)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    towards = noise(*found.shape, seed=1)
    variables = (maps, layer.weight, layer.bias)
    ours = torch.autograd.grad(found, variables, towards)
    for one, other in zip(ours, torch.autograd.grad(wanted, variables, towards), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_the_definition_by_hand():
    """A value stands in the top left corner of its block: a kernel that only has its middle puts it there."""
    weight = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    weight[0, 0, 2, 2], weight[0, 0, 2, 1] = 1, 10  # itself, and what is left of each place
    found = zeros_beside(torch.tensor([[[[1.0, 2], [3, 4]]]], dtype=torch.float64), weight)
    assert found[0, 0].tolist() == [[1, 10, 2, 20], [0] * 4, [3, 30, 4, 40], [0] * 4]


def test_the_four_phases_are_convolutions_with_the_kernels_four_parts():
    layer = UpConvolution(3, 2).double()
    maps = noise(1, 3, 6, 7)
    found = layer(maps).detach()
    kernel = layer.weight.detach()
    for row in (0, 1):
        for column in (0, 1):
            part = kernel[:, :, row::2, column::2]  # the taps that meet a value in this phase
            top, left = (1 - row, 1 - column)
            padded = F.pad(maps, (left, 1, top, 1))
            wanted = F.conv2d(padded, part, layer.bias.detach())
            torch.testing.assert_close(found[:, :, row::2, column::2], wanted, rtol=1e-12, atol=1e-12)


def test_stride_1_leaves_the_size():
    layer = UpConvolution(3, 2, stride=1).double()
    maps = noise(2, 3, 6, 7)
    wanted = F.conv2d(maps, layer.weight, layer.bias, padding=2)
    torch.testing.assert_close(layer(maps), wanted, rtol=0, atol=0)
    assert wanted.shape == (2, 2, 6, 7)
    assert "stride=1" in repr(layer)


def test_a_fresh_one_is_as_loud_as_a_convolution():
    torch.manual_seed(0)
    with torch.no_grad():
        loud = [float(UpConvolution(32, 64, s)(noise(4, 32, 16, 16).float()).std()) for s in (1, 2)]
    assert loud[1] / loud[0] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 4), (6, 2)])
def test_sub_pixels_double_and_start_without_chequers(inputs, outputs):
    layer = SubPixel(inputs, outputs).double()
    maps = noise(2, inputs, 5, 4)
    found = layer(maps)
    assert found.shape == (2, outputs, 10, 8)
    phases = [found[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    for phase in phases[1:]:
        torch.testing.assert_close(phase, phases[0], rtol=0, atol=0)
    assert len({*phases[0].flatten().tolist()}) > 1
    if outputs > 1:
        assert not torch.allclose(found[:, 0], found[:, 1])


def test_a_map_of_a_sub_pixel_layer_is_made_of_its_four_filters():
    layer = SubPixel(2, 3).double()
    with torch.no_grad():
        layer.filter.weight.copy_(noise(*layer.filter.weight.shape))
    maps = noise(1, 2, 4, 4)
    whole, found = layer.filter(maps), layer(maps)
    for m in range(3):
        for k, (i, j) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
            torch.testing.assert_close(found[:, m, i::2, j::2], whole[:, 4 * m + k], rtol=0, atol=0)
