"""Where things are in a picture: which regions are lighter than which, and where the eye is drawn to.

    order_agreement(lab(originals), lab(reconstructions))     # (N,) share, 0.5 by guessing
    displacement(lab(originals), lab(reconstructions))        # (N,) in sides of the image

Source: frequency-tuned saliency is Achanta et al., CVPR 2009.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

GRID = 8
"""Regions a side whose lightness is compared."""
VISIBLE = 1.0
"""Regions that differ by less in L count as equally light."""
STRONGEST = 0.1
"""The share of the pixels that make up the salient region."""
_FLAT = 1e-3  # of saliency, in Lab units: what rounding leaves of a picture of one colour


def order_agreement(originals: Tensor, reconstructions: Tensor) -> Tensor:
    """The share of pairs of regions of which the same one is lighter in both pictures.

    The regions are an 8 x 8 grid, each its mean L. Pairs that differ by less than 1 in the original do not
    count; a pair that is exactly equal in the reconstruction counts half, as if guessed.

    Args:
        originals: (N, 3, H, W) in Lab.
        reconstructions: the same shape.

    Returns:
        (N,) in [0, 1]; NaN where no two regions of the original differ.
    """
    grid = min(GRID, *originals.shape[-2:])
    first, second = torch.triu_indices(grid**2, grid**2, 1)
    true, ours = (
        regions[:, first] - regions[:, second]
        for regions in (
            F.adaptive_avg_pool2d(images[:, :1], grid).flatten(1) for images in (originals, reconstructions)
        )
    )
    counted = true.abs() >= VISIBLE
    agreement = (1 + true.sign() * ours.sign()) / 2
    right: Tensor = (agreement * counted).sum(1)
    return right / counted.sum(1)


def displacement(originals: Tensor, reconstructions: Tensor) -> Tensor:
    """How far apart the salient regions' centres lie, in shares of the image's side.

    Args:
        originals: (N, 3, H, W) in Lab.
        reconstructions: the same shape.

    Returns:
        (N,) from 0 to the square root of 2.
    """
    return (salient_centre(originals) - salient_centre(reconstructions)).square().sum(1).sqrt()


def salient_centre(colours: Tensor) -> Tensor:
    """The centre of gravity of the strongest tenth of the pixels.

    Each counts by how far it exceeds the weakest of that tenth, so that nothing jumps when one joins them.

    Args:
        colours: (N, 3, H, W) in Lab.

    Returns:
        (N, 2) row and column from 0 to 1; a picture of one colour has it in the middle.
    """
    saliency = frequency_tuned(colours)
    height, width = saliency.shape[1:]
    flat = saliency.flatten(1)
    strong = max(1, round(STRONGEST * flat.shape[1]))
    threshold = flat.topk(strong, dim=1).values[:, -1:]
    weights = (flat - threshold).clamp_min(0) + _FLAT * (flat >= threshold - _FLAT)
    rows = (torch.arange(height, device=flat.device) + 0.5) / height
    columns = (torch.arange(width, device=flat.device) + 0.5) / width
    places = torch.stack((rows[:, None].expand(height, width), columns.expand(height, width)), -1)
    return weights @ places.flatten(0, 1) / weights.sum(1, keepdim=True)


def frequency_tuned(colours: Tensor) -> Tensor:
    """Saliency: how far each pixel's colour, slightly blurred, is from the picture's mean colour.

    Args:
        colours: (N, 3, H, W) in Lab.

    Returns:
        (N, H, W) in units of Lab.

    Source:
        Achanta et al., CVPR 2009: ‖I_mean − I_blurred‖ with a binomial 5x5 kernel.
    """
    line = torch.tensor((1.0, 4.0, 6.0, 4.0, 1.0), dtype=colours.dtype, device=colours.device) / 16
    kernel = torch.outer(line, line).expand(3, 1, 5, 5)
    padded = F.pad(colours, (2, 2, 2, 2), mode="replicate")
    blurred = F.conv2d(padded, kernel, groups=3)
    return (blurred - colours.mean((2, 3), keepdim=True)).square().sum(1).sqrt()
