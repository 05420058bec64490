"""Correspondence: does hiding the same part of several pictures change their features alike?

    points = {"left eye": [(88, 61), (102, 70)], "nose": [(95, 90), (110, 99)]}
    found = correspondence(network, images, points)
    found.parts[0].mean("conv5"), found.parts[0].deviation("conv5")         # of the left eye
    found.parts[2].mean("conv5")                                            # of random squares

A square over the part is covered in each image i, and the features of a layer before, ``x``, and
after, ``x~``, are compared: ``e_i = x_i - x~_i``. What counts is the sign of each entry, -1, 0 or +1,
where 0 is a feature that the square does not reach or leaves silent. The distance of two images is
the share of entries whose signs differ: the Hamming distance over the number of features. The
paper's Delta is its sum over all ordered pairs of images, but the values in its table are so small
that they must be per pair and feature, and so are these. Lower is more consistent: the network is
said to relate the parts if they are lower than random squares are.

Random squares lie anywhere in the image but on the middle of a named part's square; each draw has one
in every image, and all draws count as one row. Two things make a distance small besides
correspondence, and the paper does not tell them apart. A square that changes little leaves most signs
at 0 in both images: `chance` is the distance of as many signs of each kind in random order. And in
feature maps the same place is the same entry: a second control has squares anywhere, but in one place
for all images.

Source: Zeiler & Fergus 2013, sec. 4.3 and table 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from ..errors import DataError, ModelError
from ..models import Network
from ..models.ends import last_features, last_maps
from .answers import answers
from .placing import covered_each, random_squares, square_around
from .squares import check_size, fill_image, in_proportion

RANDOM, SAME_PLACE = "random", "random, same place"
"""The rows of squares drawn at random: one place an image, and one place for all images."""
_AT_ONCE = 32  # images in a pass
_ROUNDING = 64  # a change below so many of the steps between numbers is the order of additions, no change


@dataclass(frozen=True)
class PartConsistency:
    """How alike the features change in N images when one part of each is covered.

    Attributes:
        name: of the part.
        boxes: (K, N, 4) int64: top, left, height, width of the square in each image, before it is cut at the
            edge; K draws, one of a named part.
        distances: by layer: (K, P) float64, the share of entries whose signs differ, in [0, 1], of each of
            the P pairs of images, ordered as in `Correspondence.pairs`.
        chances: by layer: likewise, what is expected if the signs of each image were in random order.
        features: how many entries each layer has.
    """

    name: str
    boxes: Tensor
    distances: Mapping[str, Tensor]
    chances: Mapping[str, Tensor]
    features: Mapping[str, int]

    def mean(self, layer: str) -> float:
        """Over the pairs and draws."""
        return float(self.distances[layer].mean())

    def deviation(self, layer: str) -> float:
        """The standard deviation over the pairs and draws; NaN where there is only one."""
        values = self.distances[layer]
        return float(values.std(correction=0)) if values.numel() > 1 else math.nan

    def chance(self, layer: str) -> float:
        """The mean distance that is expected of signs in random order."""
        return float(self.chances[layer].mean())

    def total(self, layer: str) -> float:
        """The paper's Delta as written: Hamming distances summed over ordered pairs; mean over the draws."""
        differ = (self.distances[layer] * self.features[layer]).round()
        return 2 * float(differ.sum()) / len(differ)


@dataclass(frozen=True)
class Correspondence:
    """How consistent each part is, at each layer; tensors on the CPU but for `fill`.

    Attributes:
        parts: the named ones, then random squares if they were asked for.
        layers: those that were compared.
        pairs: the two images of each pair, the first before the second.
        size: side of the square in pixels.
        fill: (N, 3, H, W), what covered pixels become.
    """

    parts: tuple[PartConsistency, ...]
    layers: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]
    size: int
    fill: Tensor


def correspondence(
    network: Network,
    images: Tensor,
    points: Mapping[str, Sequence[tuple[float, float]]],
    layers: Sequence[str] = (),
    *,
    size: int | None = None,
    fill: str | Tensor = "grey",
    random_draws: int = 10,
    seed: int = 0,
    advance: Callable[[int], object] = lambda images: None,
) -> Correspondence:
    """Covers the same part in several images and compares how their features change.

    Args:
        network: of any kind; it is left as it was.
        images: (N, 3, H, W), two or more, normalised as the network expects, on its device.
        points: for each part, where it is in each image: x to the right and y down, in pixels of the images.
        layers: that are compared; none for the last feature maps and the layer before the scores.
        size: side of the square in pixels; None is 50 of 224, in proportion.
        fill: what covered pixels become: one of `squares.FILLS`, or (N, 3, H, W) images to take them from.
        random_draws: how many random squares each image gets, for each of the two controls; 0 for none.
        seed: of the random squares, and of the noise where that is the fill.
        advance: told how many more images have passed the network.

    Raises:
        DataError: there are fewer than two images; a part has no point for one or a point outside; it is
            called as a control is; or nothing but named parts is left for random squares.
        ModelError: the square does not fit the images, or they do not fit the network.
        LayerError: no such layer.

    Example:
        >>> from deconvviz import load_model
        >>> images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        >>> found = correspondence(load_model("mini"), images, {"nose": [(20, 30), (25, 28)]}, random_draws=2)
        >>> [part.name for part in found.parts], found.layers
        (['nose', 'random', 'random, same place'], ('conv5', 'fc7'))
    """
    if images.ndim != 4:
        raise ModelError(f"images are {tuple(images.shape)}, not (N, 3, H, W)")
    height, width = images.shape[-2:]
    size = in_proportion(50, min(height, width)) if size is None else size
    _check(images, points, size, random_draws)
    layers = tuple(dict.fromkeys(layers or (last_maps(network), last_features(network))))
    named = torch.tensor([[square_around(x, y, size) for x, y in places] for places in points.values()])
    boxes = [one[None] for one in named.reshape(len(points), len(images), 4)]
    if random_draws:
        boxes += random_squares(named, (height, width), size, random_draws, seed)
    cover = fill_image(network, images, fill, seed) if isinstance(fill, str) else fill
    if cover.shape != images.shape:
        raise ModelError(f"a fill of {tuple(cover.shape)} does not cover images of {tuple(images.shape)}")
    everything = torch.cat(boxes).transpose(0, 1)  # (N, all draws of all parts, 4)
    signs = [
        _signs(network, image, other, squares, layers, advance)
        for image, other, squares in zip(images, cover, everything, strict=True)
    ]
    pairs = tuple(combinations(range(len(images)), 2))
    counts = {layer: signs[0][layer].shape[1] for layer in layers}
    draws = [len(box) for box in boxes]
    apart = {layer: torch.split(_distances([one[layer] for one in signs], pairs), draws) for layer in layers}
    by_chance = {
        layer: torch.split(_chances([one[layer] for one in signs], pairs), draws) for layer in layers
    }
    names = [*points, *((RANDOM, SAME_PLACE) if random_draws else ())]
    parts = tuple(
        PartConsistency(
            name,
            boxes[k],
            {layer: apart[layer][k] for layer in layers},
            {layer: by_chance[layer][k] for layer in layers},
            counts,
        )
        for k, name in enumerate(names)
    )
    return Correspondence(parts, layers, pairs, size, cover)


def _signs(
    network: Network,
    image: Tensor,
    fill: Tensor,
    boxes: Tensor,
    layers: Sequence[str],
    advance: Callable[[int], object],
) -> dict[str, Tensor]:
    """By layer: (K, D) int8, the signs of what K squares in one image take from its features.

    The whole image is in every pass, since a pass of another size may add in another order.
    """
    found: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    for some in torch.split(boxes, _AT_ONCE - 1):
        copies = image.expand(len(some), -1, -1, -1)
        batch = torch.cat([image[None], covered_each(copies, fill.expand_as(copies), some)])
        for layer, features in answers(network, batch, layers, scores=False).features.items():
            whole, left = features[:1].flatten(1), features[1:].flatten(1)
            change = whole - left
            least = _ROUNDING * torch.finfo(change.dtype).eps * whole.abs().max()
            signs = torch.where(change.abs() > least, change.sign(), 0)
            found[layer].append(signs.to(torch.int8).cpu())
        advance(len(some))
    return {layer: torch.cat(signs) for layer, signs in found.items()}


def _distances(signs: Sequence[Tensor], pairs: Sequence[tuple[int, int]]) -> Tensor:
    """(K, P) float64: of N images' (K, D) signs, the share that differs in each pair."""
    return torch.stack([(signs[i] != signs[j]).double().mean(1) for i, j in pairs], dim=1)


def _chances(signs: Sequence[Tensor], pairs: Sequence[tuple[int, int]]) -> Tensor:
    """(K, P) float64: what `_distances` gives on average if each row is shuffled."""
    shares = [torch.stack([(one == value).double().mean(1) for value in (-1, 0, 1)], dim=1) for one in signs]
    return torch.stack([1 - (shares[i] * shares[j]).sum(1) for i, j in pairs], dim=1)


def _check(
    images: Tensor, points: Mapping[str, Sequence[tuple[float, float]]], size: int, random_draws: int
) -> None:
    count, (height, width) = len(images), images.shape[-2:]
    if count < 2:
        raise DataError(f"{count} image: changes are compared between images, so two or more are needed")
    if not points or random_draws < 0:
        raise DataError("name at least one part, and ask for no fewer than 0 random squares")
    check_size(size, (height, width))
    for name, places in points.items():
        if random_draws and name in (RANDOM, SAME_PLACE):
            raise DataError(
                f"a part called '{name}' and random squares cannot both be shown: rename the part"
            )
        if len(places) != count:
            raise DataError(f"{len(places)} points for '{name}' and {count} images: give one for each")
        for x, y in places:
            if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
                raise DataError(
                    f"'{name}' at {x:g}, {y:g} lies outside the {width}x{height} pixels of the image"
                )
