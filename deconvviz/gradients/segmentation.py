"""Weakly supervised segmentation: the object that a class score hangs on, cut out of its image.

    found = saliency(network, network.see(image))       # of a network that was never shown an outline
    cut = segment(closer(network, image), found.maps[0])
    cut.mask, cut.box

The most salient pixels are likely to lie on the object, the least salient ones beside it. A model of its
colours is learnt from the former, one of the background's from the latter, each a mixture of five Gaussians;
a graph cut then gives every pixel to one of the two, with borders where the image has edges. The object is
the largest connected piece.

With ``iterations=0`` this is the published form; by default the colours are learnt once more from the first
cut, and the cut is repeated. It suits images of some hundred pixels a side, and of small ones often keeps
nothing: `closer` gives what a network of few pixels saw in finer ones. Mahendran & Vedaldi also keep the most
and the least salient pixels on their side: ``pinned=0.005``.

Where it does not apply: it finds the colours that the salient parts have, so a background of the same colours
comes along, and a part of the object in other colours stays behind. In drawings of a few flat colours, a
colour far from all that the seeds have may fall to either side.

Source: Simonyan et al. 2013, "Deep Inside Convolutional Networks", arXiv 1312.6034, sec. 3.2; Rother et al.
2004, "GrabCut", as OpenCV has it; Mahendran & Vedaldi 2016, "Salient Deconvolutional Networks".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..data.seen import seen_axes
from ..errors import DeconvvizError, ImageError
from ..models import Network
from ..models.building import preset
from ..tiles import Bytes, photo_tile
from .graph_cut import (
    ColourModel,
    Doubles,
    Mask,
    colour_model,
    graph_cut,
    labelled,
    largest_piece,
    learnt_colours,
)

LEAST_SIDE = 224
"""The side, in pixels, that a picture should at least have to be cut."""


class Box(NamedTuple):
    """A rectangle of whole pixels."""

    top: int
    left: int
    height: int
    width: int

    def coarser(self, times: int) -> Box:
        """The same in pixels so many times as large, rounded outwards."""
        top, left = self.top // times, self.left // times
        bottom, right = -(-(self.top + self.height) // times), -(-(self.left + self.width) // times)
        return Box(top, left, bottom - top, right - left)


@dataclass(frozen=True)
class Segmentation:
    """An object cut out of a picture of (H, W) pixels.

    Attributes:
        mask: (H, W), true on the object.
        box: around the object.
        foreground_seeds: (H, W), the pixels that taught the object's colours.
        background_seeds: (H, W), those that taught the background's.
        foreground_above: the saliency above which pixels are foreground seeds.
        background_below: the saliency below which pixels are background seeds.
        foreground_colours: as learnt from the seeds.
        background_colours: likewise.
    """

    mask: Mask
    box: Box
    foreground_seeds: Mask
    background_seeds: Mask
    foreground_above: float
    background_below: float
    foreground_colours: ColourModel
    background_colours: ColourModel

    @property
    def share(self) -> float:
        """How much of the picture the object covers, in [0, 1]."""
        return float(self.mask.mean())


def segment(
    photo: Tensor | Bytes,
    saliency_map: Tensor | NDArray[Any],
    *,
    foreground: float = 0.95,
    background: float = 0.30,
    pinned: float = 0.0,
    iterations: int = 1,
    seed: int = 0,
) -> Segmentation:
    """Cuts out the object that a saliency map points at.

    The same input gives the same mask, with any number of threads; OpenCV's random state is set to `seed`.

    Args:
        photo: (3, H, W) in [0, 1], or (H, W, 3) uint8: what the network saw.
        saliency_map: (H, W), or smaller by a whole factor: then it is enlarged.
        foreground: quantile of the saliency; pixels above it teach the object's colours.
        background: quantile; pixels below it teach the background's colours.
        pinned: the share of pixels, of the most salient and again of the least, that stay on their side
            whatever their colour.
        iterations: how often the colours are learnt anew from the cut and the cut is repeated; 0, as
            published, for one cut with the colours that the seeds taught.
        seed: draws the first cluster centres of the colour models.

    Raises:
        ImageError: the map or the picture is the same in every pixel, so that nothing tells the object from
            its background, or the cut leaves no object.
        DeconvvizError: the map does not fit the picture, or a setting is out of its range.

    Example:
        >>> photo = np.full((40, 40, 3), (30, 160, 40), np.uint8)
        >>> photo[10:20, 5:25] = 200, 30, 30
        >>> segment(photo, (photo[..., 0] > 100) * np.linspace(1, 2, 40)).box
        Box(top=10, left=5, height=10, width=20)
    """
    _check(foreground, background, pinned, iterations)
    picture = _picture(photo)
    heat = _heat(saliency_map, picture.shape[:2])
    if not heat.max() > heat.min():
        raise ImageError(
            f"the saliency is {heat.flat[0]:g} in every pixel, so nothing tells an object from its "
            "background; try another target or rule"
        )
    if (picture == picture[0, 0]).all():
        raise ImageError("the picture is of one colour, and colours are what tells the object from the rest")
    above, below = np.quantile(heat, [foreground, background])
    front, behind = heat > above, heat < below
    front = front if front.any() else heat == heat.max()  # where more than these share the largest saliency
    behind = behind if behind.any() else heat == heat.min()
    models = learnt_colours(picture, front, behind, seed)
    mask = largest_piece(graph_cut(picture, labelled(heat, front, behind, pinned), models, iterations))
    if mask is None:
        remedy = "try another target or rule" if pinned else "pin the most salient pixels (--pinned 0.005)"
        raise ImageError(f"the cut leaves no object: its colours are the background's too; {remedy}")
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    box = Box(int(rows[0]), int(columns[0]), int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1)
    return Segmentation(mask, box, front, behind, float(above), float(below), *map(colour_model, models))


def closer(network: Network, image: Any) -> Tensor:
    """What a network saw of a photograph, in finer pixels where it saw few: (3, H, W) in [0, 1].

    Args:
        network: whose preprocessing is used.
        image: the photograph, a PIL image.

    Returns:
        the network's side times the smallest whole number that makes it at least `LEAST_SIDE`.
    """
    side, times = network.input_size, _times(network.input_size)
    short = times * network.resize_size
    finer = preset(True, times * side, resize_size=short, mean=network.mean, std=network.std)
    return network.pixels(finer(image))


def in_photograph(box: Box, size: tuple[int, int], network: Network) -> Box:
    """A box in the picture that `closer` gives as a box in the photograph's own pixels, rounded outwards.

    Args:
        box: in the pixels of that picture.
        size: width and height of the photograph.
        network: whose preprocessing is used.
    """
    times = _times(network.input_size)
    axes, ends = seen_axes(size, times * network.resize_size, times * network.input_size), []
    for start, length, axis in zip(box[:2], box[2:], axes, strict=True):
        begin, side, resized = start + axis.first, axis.side, axis.resized
        ends.append((max(begin * side // resized, 0), min(-(-(begin + length) * side // resized), side)))
    (top, bottom), (left, right) = ends
    return Box(top, left, bottom - top, right - left)


def _times(side: int) -> int:
    return -(-LEAST_SIDE // side)


def _check(foreground: float, background: float, pinned: float, iterations: int) -> None:
    if not 0 < background < foreground < 1:
        raise DeconvvizError(
            f"foreground {foreground:g} and background {background:g} are quantiles: give two between 0 and "
            "1, the foreground's the larger"
        )
    if not 0 <= pinned <= 0.5:
        raise DeconvvizError(f"{pinned:g} of the pixels cannot be pinned: give a share from 0 to 0.5")
    if iterations < 0:
        raise DeconvvizError(f"{iterations} iterations: give 0 or more")


def _picture(photo: Tensor | Bytes) -> Bytes:
    """The picture as (H, W, 3) bytes, in one piece."""
    if isinstance(photo, Tensor) and photo.is_floating_point() and photo.ndim == 3:
        photo = photo_tile(photo.detach().float().cpu().numpy())
    array = np.asarray(photo)
    if array.dtype != np.uint8 or array.shape[2:] != (3,):
        raise DeconvvizError("a picture is a (3, H, W) tensor in [0, 1], or (H, W, 3) bytes")
    return np.ascontiguousarray(array)


def _heat(saliency_map: Tensor | NDArray[Any], shape: tuple[int, ...]) -> Doubles:
    """The map as doubles, enlarged to a picture that is finer by a whole factor."""
    import cv2  # for which only segmenting is to wait

    values = saliency_map.detach().cpu().numpy() if isinstance(saliency_map, Tensor) else saliency_map
    heat = np.asarray(values, dtype=np.float64)
    times = shape[0] // len(heat) if heat.ndim == 2 and heat.size else 0
    if not times or shape != tuple(times * n for n in heat.shape):
        raise DeconvvizError(f"a saliency map of {heat.shape} does not fit a picture of {shape}")
    if not np.isfinite(heat).all():
        raise DeconvvizError("the saliency map holds NaN or infinity")
    return heat if times == 1 else np.asarray(cv2.resize(heat, shape[::-1], interpolation=cv2.INTER_LINEAR))
