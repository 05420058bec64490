"""Occlusion: what a network loses when a square of the picture is covered.

    found = occlude(network, images)                  # a 50-pixel square every 8 pixels of 224
    found.activity                                    # (R, C) of the strongest map of the last convolution
    found.probability, found.top_class                # (R, C)

A square slides over the image. With it at each place, three things are kept: the summed activity of one
feature map, the class's score and probability, and the most probable class. Where the activity falls, the
square hides what the map answers to; where the probability falls, it hides what the class is told by.

The squares start every `stride` pixels from the image's top left corner, as many as it takes for the last
to reach the far edge, ``ceil((side - size) / stride) + 1`` an axis; those that hang over it are cut there.
They are the windows of captum's `Occlusion` with `sliding_window_shapes` of (3, size, size) and `strides` of
(3, stride, stride).

Source: Zeiler & Fergus 2013, sec. 4.2 and fig. 7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ModelError, UnitError
from ..models import Network, leaves
from ..models.classes import check_scores
from ..models.ends import last_maps
from ..models.numbers import blamed
from .answers import class_of
from .partial import plan
from .passes import Passes
from .squares import check_size, fill_image, in_proportion


@dataclass(frozen=True)
class Whole:
    """What the network makes of the image with nothing covered.

    Attributes:
        activity: summed over the map.
        score: of the class, before any softmax.
        probability: of the class, in [0, 1].
        top_class: the most probable class.
    """

    activity: float
    score: float
    probability: float
    top_class: int


@dataclass(frozen=True)
class Occlusion:
    """What becomes of one map and one class with a square at each of R x C places; tensors on the CPU.

    Attributes:
        layer: of the map.
        channel: of the map.
        target: the class.
        boxes: (R, C, 4) int64: top, left, height, width of each square in pixels, cut at the image's edge.
        size: the square's side in pixels.
        stride: pixels between neighbouring squares.
        activity: (R, C) the map's activity, summed over its places.
        score: (R, C) of the class, before any softmax.
        probability: (R, C) of the class, in [0, 1]: the softmax of all scores.
        top_class: (R, C) int64: the most probable class.
        whole: the same of the uncovered image.
    """

    layer: str
    channel: int
    target: int
    boxes: Tensor
    size: int
    stride: int
    activity: Tensor
    score: Tensor
    probability: Tensor
    top_class: Tensor
    whole: Whole


def occlude(
    network: Network,
    images: Tensor,
    *,
    target: int | None = None,
    layer: str | None = None,
    channel: int | None = None,
    size: int | None = None,
    stride: int | None = None,
    fill: str = "grey",
    seed: int = 0,
    batch_size: int = 32,
    partial: bool = True,
    advance: Callable[[int], object] = lambda places: None,
) -> Occlusion:
    """Covers one square of an image after the other and looks at one map and one class.

    Args:
        network: a classifier; it is left as it was.
        images: (1, 3, H, W), normalised as the network expects, on its device.
        target: the class; None is the most probable one of the uncovered image.
        layer: whose map is looked at; None is the last convolution, rectified.
        channel: the map; None is the one whose summed activity on the uncovered image is largest.
        size: side of the square in pixels; None is 50 of 224, in proportion.
        stride: pixels between neighbouring squares; None is 8 of 224, in proportion.
        fill: what covered pixels become: `squares.FILLS`.
        seed: of the noise, where that is the fill.
        batch_size: how many squares go through the network at once.
        partial: recompute only what a square can change, where the network is a chain and it saves work.
            The result is the same to rounding: some 1e-7 of the largest value in single precision.
        advance: told how many more places are done.

    Raises:
        ModelError: the network does not score classes, lacks the weights for it, or is given more than one
            image; or the square does not fit the image.
        UnitError: no such class or map.
        LayerError: no such layer.

    Example:
        >>> from deconvviz import load_model
        >>> occlude(load_model("mini"), torch.zeros(1, 3, 64, 64), size=32, stride=16).probability.shape
        torch.Size([3, 3])
    """
    check_scores(network)
    images = images.detach()
    if images.ndim != 4 or len(images) != 1:
        raise ModelError(f"images are {tuple(images.shape)}: one image, (1, 3, H, W), is covered at a time")
    if batch_size < 1:
        raise ModelError(f"{batch_size} squares at once: give a batch size of at least 1")
    height, width = images.shape[-2:]
    size = in_proportion(50, min(height, width)) if size is None else size
    stride = in_proportion(8, min(height, width)) if stride is None else stride
    boxes = squares_of((height, width), size, stride)
    layer = last_maps(network) if layer is None else layer
    cover = fill_image(network, images, fill, seed)
    passes = Passes(network, layer)
    maps, scores = passes.run(images)
    target = class_of(network, scores, target)
    if channel is None:
        channel = int(maps[0].argmax())
    elif not 0 <= channel < maps.shape[1]:
        raise UnitError(f"no map {channel} in '{layer}': it has {maps.shape[1]}, 0 to {maps.shape[1] - 1}")
    flat = boxes.flatten(0, 1).to(images.device)
    found = plan(network, layer, images, scores, flat, batch_size) if partial else None
    if found is None:
        activities, all_scores = passes.slide(images, cover, flat, channel, batch_size, advance)
    else:
        activities, all_scores = found.slide(cover, flat, channel, batch_size, advance)
    if not torch.isfinite(all_scores).all():
        raise blamed(images, leaves(network.module))
    activity, score, probability, top_class = (
        values.reshape(boxes.shape[:2]) for values in _looked_at(activities, all_scores, target)
    )
    whole = [values.item() for values in _looked_at(maps[:, channel], scores, target)]
    return Occlusion(
        layer=layer,
        channel=channel,
        target=target,
        boxes=boxes,
        size=size,
        stride=stride,
        activity=activity,
        score=score,
        probability=probability,
        top_class=top_class,
        whole=Whole(whole[0], whole[1], whole[2], int(whole[3])),
    )


def squares_of(image_size: tuple[int, int], size: int, stride: int) -> Tensor:
    """Every place of the square on an image of (H, W) pixels.

    Returns:
        (R, C, 4) int64: top, left, height, width, cut at the image's edge.

    Raises:
        ModelError: the square is larger than the image, or size or stride is less than one pixel.
    """
    check_size(size, image_size)
    if stride < 1:
        raise ModelError(f"the square cannot move by {stride} pixels: give a stride of at least 1")
    height, width = image_size
    # with a stride beyond the size the last square may start past the edge: there is none then
    tops, lefts = (torch.arange(0, min(side - size + stride, side), stride) for side in image_size)
    top, left = torch.meshgrid(tops, lefts, indexing="ij")
    return torch.stack([top, left, (height - top).clamp(max=size), (width - left).clamp(max=size)], dim=-1)


def _looked_at(activity: Tensor, scores: Tensor, target: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Activity of the map, score and probability of the class, the most probable class; on the CPU."""
    probability = scores.double().softmax(1)[:, target]
    return activity.cpu(), scores[:, target].cpu(), probability.cpu(), scores.argmax(1).cpu()
