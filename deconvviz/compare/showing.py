"""An answer as a figure and a page show it: its tile, the part of the image it comes from, its numbers.

Zero is grey 128 in a projection, and each has a symmetric scale of its own: strongest activations of
different layers differ by orders of magnitude, and a projection has no scale that would mean anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..tiles import Bytes, photo_tile, signed_scale, signed_tile
from .answers import Answer
from .methods import METHODS


@dataclass(frozen=True)
class Measure:
    """One number under a picture.

    Attributes:
        name: as in `Answer.errors`; with ``_fitted`` behind it that of the best affine fit.
        heading: as a figure says it.
        digits: behind the point.
        meaning: for a legend.
    """

    name: str
    heading: str
    digits: int
    meaning: str

    def said(self, value: float) -> str:
        """A value in as many digits as mean something; a dash where there is none, ∞ of equal pictures.

        Example:
            >>> MEASURES[0].said(14.24), MEASURES[0].said(-0.02), MEASURES[1].said(float("nan"))
            ('14.2', '0.0', '–')
        """
        if math.isnan(value):
            return "–"
        if math.isinf(value):
            return "∞"
        return f"{round(value, self.digits) + 0.0:.{self.digits}f}".replace("-", "−")


MEASURES = (
    Measure("psnr", "PSNR, dB", 1, "against what the network saw, higher is better"),
    Measure("ssim", "SSIM", 2, "likewise, 1 is the same picture"),
    Measure(
        "explained",
        "explained",
        2,
        "R², the share of the image's variance that the picture accounts for, 0 is what one flat colour, the "
        "mean, would get, less than 0 is farther off than that",
    ),
    Measure(
        "image_error",
        "image error",
        2,
        "the distance to what the network saw, over the mean distance of two of the images compared",
    ),
    Measure(
        "feature_error",
        "feature error",
        2,
        "the distance between the layer's features of the picture and of the original, over the length of "
        "the original's, 0 is perfect, 1 what features of zero would get",
    ),
)
ONE_ACTIVATION = ("strongest", "guided", "gradient")
"""The methods that start from one activation, whose signal is often a small part of the image."""
FITTED = "_fitted"
"""Behind a measure's name: of the best affine fit."""
NO_PICTURE = (
    "A projection is no reconstruction: it is a signed signal without absolute colour and without scale, "
    "drawn around mid-grey, which is zero, at a symmetric scale of its own."
)
FRAMED = "Frame: where the signal of the one activation arrives; enlarged where that is small."
TOLD_TWICE = (
    "As it is: the picture that comes out; of a projection, the mean colour plus the signal. Fitted: after "
    "the best scale and shift of each channel, which only the original can tell."
)


def tile_of(answer: Answer) -> Bytes | None:
    """An answer's picture: of a projection its signal around grey, else what it is; None where there is none.

    Returns:
        (H, W, 3) uint8.
    """
    if answer.signal is None or answer.picture is None:
        return None
    if not METHODS[answer.method].projects:
        return photo_tile(answer.picture.float().cpu().numpy())
    signal = answer.signal.float().cpu().numpy()
    return signed_tile(signal, signed_scale([signal]))


def reach_of(signal: Tensor) -> tuple[int, int, int, int] | None:
    """The smallest rectangle that holds all of a signal that is not zero.

    Args:
        signal: (3, H, W).

    Returns:
        top, left, height and width; None where the signal is zero all over.

    Example:
        >>> signal = torch.zeros(3, 9, 9)
        >>> signal[0, 2:4, 5] = 1
        >>> reach_of(signal)
        (2, 5, 2, 1)
    """
    there = (signal != 0).any(0)
    rows, columns = torch.nonzero(there.any(1)).flatten(), torch.nonzero(there.any(0)).flatten()
    if not len(rows):
        return None
    top, left = int(rows[0]), int(columns[0])
    return top, left, int(rows[-1]) - top + 1, int(columns[-1]) - left + 1


def is_small(part: tuple[int, int, int, int], height: int, width: int) -> bool:
    """Whether a part of an image, as `reach_of` gives it, is so small that it wants enlarging."""
    return 3 * part[2] <= height and 3 * part[3] <= width


def is_all(part: tuple[int, int, int, int], height: int, width: int) -> bool:
    """Whether a part of an image is so nearly all of it that a frame would tell nothing."""
    return 10 * part[2] >= 9 * height and 10 * part[3] >= 9 * width


NameOf = Callable[[str, int], str]
"""The name of a layer's unit, such as its class; empty where it has none."""


def nameless(layer: str, channel: int) -> str:
    """No unit has a name."""
    return ""


def unit_of(answer: Answer, name_of: NameOf = nameless) -> str:
    """The unit that was projected: ``unit 113 at 6,7``, ``map 113``; empty where the whole layer was.

    Example:
        >>> from deconvviz import Unit
        >>> unit_of(Answer("fc8", "strongest", unit=Unit("fc8", 3)), lambda layer, channel: "goldfish")
        'unit 3  goldfish'
    """
    unit = answer.unit
    if unit is None:
        return ""
    if answer.method == "map":
        return f"map {unit.channel}"
    name = name_of(answer.layer, unit.channel)
    place = f"  {name}" if name else "" if unit.row is None else f" at {unit.row},{unit.column}"
    return f"unit {unit.channel}{place}"


def seconds_of(answer: Answer) -> str:
    """How long it took: ``0.04 s``, ``31 s``; empty where nobody measured."""
    if not math.isfinite(answer.seconds):
        return ""
    return f"{answer.seconds:.2f} s" if answer.seconds < 9.995 else f"{answer.seconds:.0f} s"
