"""The detail of an image: what is left once a Gaussian blur of it is taken away.

Edges and textures are detail, the colours of areas are not. A projection shows the former alone, so that the
share of an image's variance that it explains says little, and the share of the detail's more.
"""

from __future__ import annotations

import torch
from torch import Tensor

BLUR = 4 / 224
"""The standard deviation of the blur, in sides of the image."""


def detail(images: Tensor, blur: float = BLUR) -> Tensor:
    """Images less their blur; beyond their edges they go on as those are.

    Args:
        images: (N, C, H, W).
        blur: the Gaussian's standard deviation, in sides of the image.

    Returns:
        (N, C, H, W) float64.

    Example:
        >>> bool(detail(torch.full((1, 3, 8, 8), 0.7)).abs().max() < 1e-12)
        True
    """
    sharp = images.double()
    rows, columns = (_blurring(side, blur * side).to(sharp) for side in images.shape[-2:])
    return sharp - rows @ sharp @ columns.T


def _blurring(side: int, deviation: float) -> Tensor:
    """The (side, side) matrix that blurs a line whose ends go on."""
    reach = max(1, round(4 * deviation))
    offsets = torch.arange(-reach, reach + 1)
    weights = torch.exp(-0.5 * (offsets.double() / deviation) ** 2)
    places = (torch.arange(side)[:, None] + offsets).clamp(0, side - 1)
    spread = (weights / weights.sum()).expand(side, -1)
    return torch.zeros(side, side, dtype=torch.float64).scatter_add_(1, places, spread)
