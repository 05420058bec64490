"""CIELAB, in which distances are about as large as people see them, and a picture's dominant colour.

    dominant_colours(images)     # (N, 3): L, a, b

L runs from 0 (black) to 100 (white); a from green to red and b from blue to yellow, 0 being grey. Two colours
that are about 2 apart can just be told from each other; black and white are 100 apart.

Source: CIE 15:2004 for L*a*b*, IEC 61966-2-1 for sRGB; white point D65.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

CELL = 8.0
"""The side of a cell of the colour histogram, in units of Lab."""
_REACH = 112.0  # a and b of sRGB's colours lie within this of zero
_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
"""Linear sRGB to XYZ; its rows sum to the white point, so that grey has a = b = 0."""
_KNEE = 6 / 29


def lab(images: Tensor) -> Tensor:
    """Pictures in sRGB as CIELAB: (N, 3, H, W) in [0, 1] to (N, 3, H, W) float32 of L, a, b."""
    coded = images.float()
    light = torch.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055).pow(2.4))
    matrix = torch.tensor(_TO_XYZ, device=images.device)
    share = torch.einsum("xc,nchw->nxhw", matrix / matrix.sum(1, keepdim=True), light)
    x, y, z = torch.where(
        share > _KNEE**3, share.clamp_min(0).pow(1 / 3), share / (3 * _KNEE**2) + 4 / 29
    ).unbind(1)
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), 1)


def dominant_colours(colours: Tensor) -> Tensor:
    """The colour that most of a picture is near: the mean of the fullest block of its Lab histogram.

    A block is 3 x 3 x 3 cells of 8 units each. Blocks overlap, so that a colour which lies on the border of
    two cells is not halved and a little noise does not make another colour the first; the mean of the pixels
    in it is finer than the cells.

    Args:
        colours: (N, 3, H, W), from `lab`.

    Returns:
        (N, 3): L, a, b.
    """
    count = len(colours)
    pixels = colours.flatten(2).transpose(1, 2)  # (N, H W, 3)
    start = torch.tensor((0.0, -_REACH, -_REACH), device=colours.device)
    sides = (int(100 / CELL) + 1, int(2 * _REACH / CELL), int(2 * _REACH / CELL))
    tops = torch.tensor(sides, device=colours.device) - 1
    cells = ((pixels - start) / CELL).floor().long().clamp_min(0).minimum(tops)
    flat = (cells[..., 0] * sides[1] + cells[..., 1]) * sides[2] + cells[..., 2]
    histogram = torch.zeros(count, sides[0] * sides[1] * sides[2], device=colours.device)
    histogram.scatter_add_(1, flat, torch.ones_like(flat, dtype=histogram.dtype))
    blocks = F.avg_pool3d(histogram.view(count, 1, *sides), 3, stride=1, padding=1, divisor_override=1)
    fullest = blocks.flatten(1).argmax(1)
    middle = torch.stack(
        (fullest // (sides[1] * sides[2]), fullest // sides[2] % sides[1], fullest % sides[2]), 1
    )
    inside = ((cells - middle[:, None]).abs() <= 1).all(2).float()  # (N, H W)
    return torch.einsum("np,npc->nc", inside, pixels) / inside.sum(1, keepdim=True)
