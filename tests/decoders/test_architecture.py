"""Decoders of every size: the table of Dosovitskiy & Brox's networks, and ours that hit a size exactly."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from deconvviz.decoders.architecture import Residual, Scale, decoder_network, up_convolutions
from deconvviz.decoders.linear import LinearStart
from deconvviz.decoders.recipes import recipe
from deconvviz.decoders.upconvolution import SubPixel, UpConvolution
from deconvviz.errors import LayerError

THIN = {"width": 8, "up_widths": [8, 6, 5, 4], "fc_width": 16}
ALEXNET = {
    "conv1": ((64, 55, 55), 2, 220),
    "conv2": ((192, 27, 27), 3, 216),
    "conv5": ((256, 13, 13), 4, 208),
    "pool5": ((256, 6, 6), 5, 192),
    "fc6": ((4096,), 5, 128),
    "fc8": ((1000,), 5, 128),
}
"""Layer: shape, up-convolutions and side of the output, for images of 224."""


def built(name, shape, layer="conv5", side=224, target=0, **fields):
    return decoder_network(recipe(name, **{**THIN, **fields}), shape, layer, side, target)


def ups(network):
    return [part for part in network if isinstance(part, UpConvolution)]


def made(network, shape, count=1):
    with torch.no_grad():
        return network.eval()(torch.zeros(count, *shape))


@pytest.mark.parametrize(("shape", "count", "side"), ALEXNET.values(), ids=ALEXNET)
def test_alexnets_layers_have_the_papers_sizes(shape, count, side):
    network = built("paper", shape)
    assert len(ups(network)) == count
    assert [up.stride for up in ups(network)] == [2] * count
    assert made(network, shape).shape == (1, 3, side, side)


def test_the_papers_widths():
    with torch.device("meta"):
        conv2 = decoder_network(recipe("paper"), (192, 27, 27), "conv2", 224, 0)
        conv5 = decoder_network(recipe("paper"), (256, 13, 13), "conv5", 224, 0)
        fc8 = decoder_network(recipe("paper"), (1000,), "fc8", 224, 0)
    assert [tuple(up.weight.shape[:2]) for up in ups(conv2)] == [(64, 256), (32, 64), (3, 32)]
    assert [len(up.weight) for up in ups(conv5)] == [128, 64, 32, 3]
    assert [len(up.weight) for up in ups(fc8)] == [256, 128, 64, 32, 3]
    assert [part.weight.shape for part in conv2 if isinstance(part, nn.Conv2d)] == [
        (256, 192, 3, 3),
        (256, 256, 3, 3),
        (256, 256, 3, 3),
    ]
    linear = [tuple(part.weight.shape) for part in fc8 if isinstance(part, nn.Linear)]
    assert linear == [(4096, 1000), (4096, 4096), (4096, 4096)]
    assert fc8.reshape.unflattened_size == (256, 4, 4)


@pytest.mark.parametrize("shape", [(8, 13, 13), (20,)])
def test_leaky_rectifiers_between_layers_and_none_after_the_last(shape):
    parts = list(built("paper", shape, slope=0.3))
    assert isinstance(parts[-1], UpConvolution)
    for part, following in pairwise(parts):
        if isinstance(part, nn.Conv2d | nn.Linear | UpConvolution):
            assert isinstance(following, nn.LeakyReLU)
            assert following.negative_slope == 0.3


@pytest.mark.parametrize(
    ("layer", "strides", "side"),
    [("conv2", [2, 2, 2, 1], 216), ("conv5", [2, 2, 2, 2, 1, 1], 208), ("fc8", [2] * 5, 128)],
)
def test_compact_keeps_the_size_once_it_would_exceed_the_input(layer, strides, side):
    shape = ALEXNET[layer][0]
    network = built("compact", shape, layer)
    assert [up.stride for up in ups(network)] == strides
    assert made(network, shape).shape[-1] == side


def test_fewer_up_convolutions_than_fit():
    assert [up.stride for up in ups(built("paper", (8, 13, 13), up_convolutions=1))] == [2]
    assert made(built("paper", (8, 13, 13), up_convolutions={"conv5": 2}), (8, 13, 13)).shape[-1] == 52


@pytest.mark.parametrize("shape", [(8, 27, 27), (8, 13, 13), (20,)])
def test_steps_gives_227(shape):
    assert made(built("steps", shape, side=227, target=227), shape).shape == (1, 3, 227, 227)


@pytest.mark.parametrize(
    ("size", "side", "count"), [(27, 224, 3), (13, 224, 4), (7, 224, 5), (8, 64, 3), (32, 32, 0), (33, 32, 0)]
)
def test_how_many_doublings_fit(size, side, count):
    assert up_convolutions(size, side) == count
    assert count == 0 or size * 2**count <= side < size * 2 ** (count + 1)


@pytest.mark.parametrize("target", [7, 16, 24, 31, 32, 57, 64])
@pytest.mark.parametrize("shape", [(5, 1, 1), (5, 6, 6), (5, 15, 15), (5, 32, 32), (10,), (1,)])
def test_residual_gives_exactly_the_target(shape, target):
    for extra in ({}, {"dropout": 0.2, "norm": True}):
        network = built("best", shape, side=64, target=target, **extra)
        assert made(network, shape, 2).shape == (2, 3, target, target)
        (scale,) = [part for part in network.modules() if isinstance(part, Scale)]
        assert scale.mean.shape == shape[:1]


def test_a_vectors_decoder_starts_as_the_best_linear_one():
    """Here a vector is the mean colour of each quarter, which a linear map gives back."""
    features = torch.randn(200, 12, generator=torch.Generator().manual_seed(0))
    images = features.view(-1, 3, 2, 2).repeat_interleave(8, 2).repeat_interleave(8, 3) * 2 + 1
    network = built("best", (12,), side=16, target=16, linear=True).eval()
    assert isinstance(network, LinearStart)
    network.solve(zip(features.split(20), images.split(20), strict=True))
    with torch.no_grad():
        found = network(features)
    assert float((found - images).square().mean()) < 1e-3 * float(images.var())
    assert not isinstance(built("best", (12,), side=16, target=16, linear=False), LinearStart)
    assert not isinstance(built("best", (5, 6, 6), linear=True), LinearStart)


def test_ridge_regression_by_hand():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(50, 4, generator=generator) + 2, torch.rand(50, 3, 5, 5, generator=generator)
    network = LinearStart(torch.nn.Identity(), 4, 5)
    penalty = network.solve(zip(x.split(10), y.split(10), strict=True))
    centred, images = (x - x.mean(0)).double(), (y.flatten(1) - y.flatten(1).mean(0)).double()
    strength = penalty * centred.square().mean() * 50
    wanted = torch.linalg.inv(centred.T @ centred + strength * torch.eye(4)) @ centred.T @ images
    torch.testing.assert_close(network.weight.double(), wanted, rtol=1e-3, atol=1e-4)
    bias = y.flatten(1).mean(0) - x.mean(0) @ network.weight
    torch.testing.assert_close(network.bias, bias, rtol=1e-3, atol=1e-4)


def test_residual_without_a_target_gives_the_encoders_size():
    assert made(built("best", (5, 6, 6), side=48), (5, 6, 6)).shape[-1] == 48


def test_residual_doubles_with_sub_pixels_of_the_last_widths():
    network = built("best", (5, 8, 8), side=32, target=32)
    assert [part.filter.weight.shape[0] // 4 for part in network if isinstance(part, SubPixel)] == [5, 4]
    assert isinstance(network[-1], nn.Conv2d)
    assert sum(isinstance(part, Residual) for part in network) == recipe("best").convolutions + 2


@pytest.mark.parametrize("name", ["paper", "best"])
def test_maps_that_are_not_square_are_refused_by_name(name):
    with pytest.raises(LayerError, match=r"^'conv5' gives \(8, 6, 7\); decoders invert vectors and square"):
        built(name, (8, 6, 7))
    with pytest.raises(LayerError, match=r"^'conv5' gives \(8, 6\)"):
        built(name, (8, 6))


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("maps", [1, 6, 32])
def test_a_residual_block_starts_as_the_identity_and_can_leave_it(maps, norm):
    block, given = Residual(maps, 0.2, norm), torch.randn(2, maps, 5, 5)
    torch.testing.assert_close(block(given), given, rtol=0, atol=0)
    block(given).square().sum().backward()
    assert float(block.conv2.weight.grad.abs().sum()) > 0


@pytest.mark.parametrize("shape", [(7, 4, 5, 5), (9, 4)])
def test_scale_measures_what_a_naive_loop_measures(shape):
    features = 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(0)) + torch.arange(4.0).view(
        1, -1, *[1] * (len(shape) - 2)
    )
    scale = Scale(4)
    torch.testing.assert_close(scale(features), features, rtol=0, atol=0)
    scale.measure(features)
    means, variances = [], []
    for c in range(4):
        values = features[:, c].flatten().tolist()
        means.append(math.fsum(values) / len(values))
        variances.append(math.fsum((v - means[-1]) ** 2 for v in values) / (len(values) - 1))
    deviation = math.sqrt(sum(variances) / 4)
    assert scale.mean.tolist() == pytest.approx(means, rel=1e-5)
    assert float(scale.deviation) == pytest.approx(deviation, rel=1e-5)
    found = scale(features)[3, 2].flatten().tolist()
    assert found == pytest.approx([(v - means[2]) / deviation for v in features[3, 2].flatten().tolist()])


def test_silent_features_do_not_divide_by_zero():
    scale = Scale(3)
    scale.measure(torch.ones(5, 3))
    assert scale(torch.ones(2, 3)).abs().max() == 0


@pytest.mark.parametrize("shape", [(64, 13, 13), (300,)])
def test_a_fresh_decoder_keeps_the_signals_loudness(shape):
    torch.manual_seed(0)
    network = built("paper", shape, width=64, up_widths=[64, 64, 64, 64], fc_width=256)
    with torch.no_grad():
        loud = float(network(torch.randn(2, *shape)).std())
    assert 0.1 < loud < 10
