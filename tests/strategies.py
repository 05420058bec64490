"""Hypothesis strategies: random layers with random settings, and random chains of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from torch import Tensor, nn

SEEDS = st.integers(0, 2**16)


def drawn(examples: int) -> settings:
    """The same examples every time, however long they take."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


def noise(seed: int, *shape: int) -> Tensor:
    """Normal float64 numbers, from a generator of their own."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def randomised(net: nn.Module, seed: int) -> nn.Module:
    """The network in float64 and evaluation mode; normal parameters, positive running variances."""
    net = net.double().eval()
    generator = torch.Generator().manual_seed(seed)
    for name, value in (*net.named_parameters(), *net.named_buffers()):
        if value.dtype == torch.float64:
            fresh = torch.randn(value.shape, generator=generator, dtype=torch.float64)
            value.data.copy_(fresh.abs() + 0.1 if name.endswith("running_var") else fresh)
    return net


@dataclass(frozen=True)
class Case:
    """A layer, or a chain, and images that fit it."""

    net: nn.Module
    images: Tensor

    def __repr__(self) -> str:
        return f"{self.net} on {tuple(self.images.shape)}"


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    """Two numbers, one an axis."""
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def convolutions(draw: st.DrawFn, channels: int | None = None, size: tuple[int, int] | None = None) -> Case:
    """Convolutions of any kernel, stride, padding, dilation and groups."""
    groups = draw(st.sampled_from([1, 1, 1, 2])) if channels is None else 1
    into = channels or groups * draw(st.integers(1, 2))
    kernel = draw(pairs(1, 5))
    dilation = draw(st.one_of(st.just((1, 1)), pairs(1, 2)))
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    padding = draw(pairs(0, 2))
    if size is None:
        size = tuple(max(r - 2 * p, 1) + draw(st.integers(0, 6)) for r, p in zip(reach, padding, strict=True))
    padding = tuple(max(p, -(-(r - n) // 2)) for p, r, n in zip(padding, reach, size, strict=True))
    one_stride = st.integers(1, 4).map(lambda s: (s, s))
    stride = draw(st.one_of(one_stride, pairs(1, 3)))
    layer = nn.Conv2d(
        into, groups * draw(st.integers(1, 3)), kernel, stride, padding, dilation, groups, draw(st.booleans())
    )
    seed = draw(SEEDS)
    return Case(randomised(layer, seed), noise(seed + 1, draw(st.integers(1, 2)), into, *size))


@st.composite
def _pooling(draw: st.DrawFn, dilated: bool) -> tuple[dict[str, object], tuple[int, int]]:
    """Kernel, stride, padding and so on, and the size of a map that they fit."""
    kernel = draw(pairs(1, 4))
    stride = draw(st.one_of(st.none(), pairs(1, 4)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    dilation = draw(st.one_of(st.just((1, 1)), pairs(1, 2))) if dilated else (1, 1)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    size = tuple(max(r - 2 * p, 1) + draw(st.integers(0, 6)) for r, p in zip(reach, padding, strict=True))
    options = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": draw(st.booleans())}
    return (options | {"dilation": dilation} if dilated else options), size


@st.composite
def max_pools(draw: st.DrawFn) -> Case:
    """Max-pools: overlapping, padded, dilated, in ceil mode."""
    options, size = draw(_pooling(dilated=True))
    return Case(nn.MaxPool2d(**options), noise(draw(SEEDS), draw(st.integers(1, 2)), 2, *size))


@st.composite
def average_pools(draw: st.DrawFn) -> Case:
    """Average pools: every way of counting the cells of a window."""
    options, size = draw(_pooling(dilated=False))
    counting = {
        "count_include_pad": draw(st.booleans()),
        "divisor_override": draw(st.sampled_from([None, None, 1, 5])),
    }
    return Case(nn.AvgPool2d(**options, **counting), noise(draw(SEEDS), draw(st.integers(1, 2)), 2, *size))


@st.composite
def adaptive_pools(draw: st.DrawFn) -> Case:
    """Adaptive average pools to fewer, as many or more cells."""
    images = noise(draw(SEEDS), draw(st.integers(1, 2)), 2, *draw(pairs(1, 9)))
    return Case(nn.AdaptiveAvgPool2d(draw(st.one_of(pairs(1, 9), st.just(tuple(images.shape[2:]))))), images)


@st.composite
def chains(draw: st.DrawFn, flat: bool = True, images: int = 2, side: int = 18) -> Case:
    """Networks of up to seven layers between an image and a map, or a vector if `flat`."""
    size = (draw(st.integers(9, side)), draw(st.integers(9, side)))
    seed = draw(SEEDS)
    shape = torch.zeros(1, 3, *size)
    layers: list[nn.Module] = []
    kinds = ["conv", "conv", "relu", "relu", "max", "max", "average", "norm", "lrn", "drop", "relu6", "adapt"]
    for kind in ["conv", *draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=7))]:
        layer = draw(_link(kind, shape.shape[1], min(shape.shape[2:])))
        layers.append(layer)
        with torch.no_grad():
            shape = layer.eval()(shape)
    if flat and draw(st.booleans()):
        features = shape[0].numel()
        layers += [nn.Flatten(), nn.Linear(features, 5), nn.ReLU(), nn.Dropout(), nn.Linear(5, 3)]
    return Case(randomised(nn.Sequential(*layers), seed), noise(seed + 1, images, 3, *size))


@st.composite
def _link(draw: st.DrawFn, kind: str, channels: int, side: int) -> nn.Module:
    """One layer that maps of this many channels and this many rows and columns can pass."""
    if kind == "conv" or (kind in ("max", "average") and side < 3):
        kernel = draw(st.integers(1, min(4, side)))
        padding = draw(st.integers(0, kernel // 2))
        return nn.Conv2d(channels, draw(st.integers(2, 4)), kernel, draw(st.integers(1, 2)), padding)
    ceil = draw(st.booleans())
    if kind == "max":
        kernel = draw(st.sampled_from([2, 3]))
        return nn.MaxPool2d(kernel, draw(st.integers(1, 2)), draw(st.integers(0, 1)), ceil_mode=ceil)
    if kind == "average":
        return nn.AvgPool2d(draw(st.integers(2, 3)), draw(st.integers(1, 2)), 1, ceil, draw(st.booleans()))
    if kind == "adapt":
        return nn.AdaptiveAvgPool2d(draw(st.sampled_from([side, max(side - 1, 1)])))
    if kind == "norm":
        return nn.BatchNorm2d(channels)
    if kind == "lrn":
        return nn.LocalResponseNorm(3, alpha=0.3, k=1.0)
    if kind == "relu6":
        return nn.ReLU6()
    return nn.ReLU(inplace=draw(st.booleans())) if kind == "relu" else nn.Dropout2d()
