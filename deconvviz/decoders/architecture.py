"""The decoders' networks, sized from the shape of the features that they are to invert.

Two families. ``plain`` is Dosovitskiy & Brox's: for maps three 3x3 convolutions and then up-convolutions, for
vectors three fully connected layers, a reshape to 4x4 and up-convolutions; leaky rectifiers, none after the
last layer. As many up-convolutions as fit into the network's input size: conv5 of AlexNet, 13x13, gets four
and comes out at 208. ``residual`` is ours: features brought to a common scale, a grid that doubles exactly to
the wanted size, residual blocks and sub-pixel up-sampling.

| AlexNet at 224 | conv1 55 | conv2 27 | conv5 13 | pool5 6 | fc6, fc8 |
|---|---|---|---|---|---|
| plain: up-convolutions | 2 | 3 | 4 | 5 | 5 |
| plain: output | 220 | 216 | 208 | 192 | 128 |

Source: the plain family is arXiv 1506.02753 (Dosovitskiy & Brox) as its supplement's tables are described by
others and as a derivative of the authors' own release has it (27x27 to 216 with widths 64, 32, 3); the
authors' tables themselves could not be checked. Residual blocks: He et al. 2016; group norm: Wu & He 2018.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from ..errors import LayerError
from .linear import LinearStart
from .recipes import Recipe
from .upconvolution import SubPixel, UpConvolution

_FULL_GRID = 16  # up to this side the residual family's maps have their full number; beyond, fewer
_GRID = 4  # the side of the maps that a vector is reshaped to


def decoder_network(recipe: Recipe, shape: Sequence[int], layer: str, side: int, target: int) -> nn.Module:
    """A decoder with a fresh initialisation.

    Args:
        recipe: family and widths.
        shape: of the features of one image: (C, H, W), or (C,).
        layer: what they are called, for settings that differ by layer.
        side: of the encoder's input, in pixels.
        target: side of the images to predict; 0 for what the up-convolutions make of it.

    Returns:
        a module from (N, *shape) to (N, 3, S, S) normalised images, S being `target` where that is given.

    Raises:
        LayerError: the layer's maps are not square.
    """
    if len(shape) not in (1, 3) or (len(shape) == 3 and shape[1] != shape[2]):
        raise LayerError(
            f"'{layer}' gives {tuple(shape)}; decoders invert vectors and square maps (show it square images)"
        )
    if recipe.family == "residual":
        return _residual(recipe, shape, target or side)
    return _plain(recipe, shape, layer, side, target)


def up_convolutions(size: int, side: int) -> int:
    """How many doublings of `size` fit into `side`: floor(log2(side / size))."""
    return max(0, int(math.log2(side / size)))


def _plain(recipe: Recipe, shape: Sequence[int], layer: str, side: int, target: int) -> nn.Module:
    size = shape[1] if len(shape) == 3 else _GRID
    fitting = up_convolutions(size, side)
    count = recipe.up_convolutions_of(layer)
    count = fitting if count is None else count
    widths = [*recipe.up_widths[max(0, len(recipe.up_widths) - max(count, 1) + 1) :], 3]
    while len(widths) < max(count, 1):
        widths.insert(0, widths[0])
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    maps = shape[0]
    if len(shape) == 1:
        for number in range(1, recipe.fully_connected + 1):
            last = number == recipe.fully_connected
            wide = recipe.width * _GRID**2 if last else recipe.fc_width
            layers[f"fc{number}"] = _drawn(nn.Linear(maps, wide), recipe.slope)
            layers[f"relu_fc{number}"] = nn.LeakyReLU(recipe.slope)
            maps = wide
        layers["reshape"] = nn.Unflatten(1, (recipe.width, _GRID, _GRID))
        maps = recipe.width
    else:
        for number in range(1, recipe.convolutions + 1):
            layers[f"conv{number}"] = _drawn(nn.Conv2d(maps, recipe.width, 3, padding=1), recipe.slope)
            layers[f"relu{number}"] = nn.LeakyReLU(recipe.slope)
            maps = recipe.width
    for number, wide in enumerate(widths, 1):
        # what would lead beyond the input's size keeps the size: 832 pixels of 13 maps help nobody
        stride = 2 if number <= min(fitting, count) else 1
        layers[f"up{number}"] = _drawn(UpConvolution(maps, wide, stride), recipe.slope)
        if number < len(widths):
            layers[f"relu_up{number}"] = nn.LeakyReLU(recipe.slope)
        maps = wide
    if target:
        layers["resize"] = Resize(target)
    return nn.Sequential(layers)


def _residual(recipe: Recipe, shape: Sequence[int], target: int) -> nn.Module:
    size = shape[1] if len(shape) == 3 else _GRID
    doublings = max(0, round(math.log2(target / size)))
    grid = math.ceil(target / 2**doublings)
    trunk = recipe.width if grid <= _FULL_GRID else max(16, round(recipe.width * _FULL_GRID / grid))
    widths = [trunk, *recipe.up_widths[max(0, len(recipe.up_widths) - doublings) :]]
    while len(widths) <= doublings:
        widths.insert(0, widths[0])
    layers: OrderedDict[str, nn.Module] = OrderedDict(scale=Scale(shape[0]))
    if len(shape) == 1:
        maps = shape[0]
        for number in range(1, recipe.fully_connected + 1):
            last = number == recipe.fully_connected
            if recipe.dropout:
                layers[f"drop{number}"] = nn.Dropout(recipe.dropout)
            wide = widths[0] * grid**2 if last else recipe.fc_width
            layers[f"fc{number}"] = _drawn(nn.Linear(maps, wide), recipe.slope)
            if not last:
                layers[f"relu_fc{number}"] = nn.LeakyReLU(recipe.slope)
            maps = wide
        layers["reshape"] = nn.Unflatten(1, (widths[0], grid, grid))
    else:
        if recipe.dropout:
            layers["drop"] = nn.Dropout2d(recipe.dropout)
        layers["conv"] = nn.Conv2d(shape[0], widths[0], 3, padding=1)
        if grid != size:
            layers["resize_grid"] = Resize(grid)
    for number in range(1, recipe.convolutions + 1):
        layers[f"block{number}"] = Residual(widths[0], recipe.slope, recipe.norm)
    for number, (maps, wide) in enumerate(pairwise(widths), 1):
        layers[f"up{number}"] = SubPixel(maps, wide)
        layers[f"block_up{number}"] = Residual(wide, recipe.slope, recipe.norm)
    layers["relu"] = nn.LeakyReLU(recipe.slope)
    layers["image"] = nn.Conv2d(widths[-1], 3, 3, padding=1)
    if grid * 2**doublings != target:
        layers["resize"] = Resize(target)
    if not (recipe.linear and len(shape) == 1):
        return nn.Sequential(layers)
    with torch.no_grad():
        for parameter in layers["image"].parameters():
            parameter.zero_()  # nothing is added to the linear image at first
    return LinearStart(nn.Sequential(layers), shape[0], target)


def _drawn(layer: nn.Module, slope: float) -> nn.Module:
    """The layer with weights that keep the signal's loudness under a leaky rectifier (He et al. 2015)."""
    weight = cast(Tensor, layer.weight)
    taps = weight[0].numel() / (4 if isinstance(layer, UpConvolution) and layer.stride == 2 else 1)
    with torch.no_grad():
        weight.normal_(0, math.sqrt(2 / (1 + slope**2) / taps))
        if isinstance(layer.bias, Tensor):
            layer.bias.zero_()
    return layer


class Residual(nn.Module):
    """Two 3x3 convolutions beside a way around them: x + conv(relu(norm(conv(relu(norm(x)))))).

    The second convolution starts at zero, so that the block starts as the identity.
    """

    def __init__(self, maps: int, slope: float, norm: bool) -> None:
        """(N, maps, H, W) to the same shape; with group norms where `norm` says so."""
        super().__init__()
        groups = math.gcd(maps, 16)
        self.norm1 = nn.GroupNorm(groups, maps) if norm else nn.Identity()
        self.conv1 = nn.Conv2d(maps, maps, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, maps) if norm else nn.Identity()
        self.conv2 = nn.Conv2d(maps, maps, 3, padding=1)
        self.slope = slope
        with torch.no_grad():
            for parameter in self.conv2.parameters():
                parameter.zero_()

    def forward(self, maps: Tensor) -> Tensor:
        """The maps and what the convolutions add to them."""
        inner = self.conv1(F.leaky_relu(self.norm1(maps), self.slope))
        added: Tensor = self.conv2(F.leaky_relu(self.norm2(inner), self.slope))
        return maps + added


class Scale(nn.Module):
    """Each map less its mean, over one common deviation: measured once on the training features.

    The deviation is common to all maps, so that those that hardly fire do not become as loud as the rest.
    """

    def __init__(self, maps: int) -> None:
        """Starts as the identity."""
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.zeros(maps))
        self.register_buffer("deviation", torch.ones(()))

    def measure(self, features: Tensor) -> None:
        """Takes mean and deviation from features: (N, C, H, W) or (N, C)."""
        axes = [0, *range(2, features.ndim)]
        exact = features.double()
        self.mean.copy_(exact.mean(axes))
        self.deviation.copy_(exact.var(axes).mean().sqrt().clamp_min(1e-12))

    def forward(self, features: Tensor) -> Tensor:
        """The features, scaled."""
        mean = self.mean.view(1, -1, *[1] * (features.ndim - 2))
        return (features - mean) / self.deviation


class Resize(nn.Module):
    """Bilinear, to a fixed side; antialiased where that shrinks."""

    def __init__(self, side: int) -> None:
        """Takes the side in pixels."""
        super().__init__()
        self.side = side

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, side, side)."""
        shrinks = self.side < maps.shape[-1]
        return F.interpolate(maps, size=(self.side, self.side), mode="bilinear", antialias=shrinks)

    def extra_repr(self) -> str:
        """For ``print``."""
        return str(self.side)
