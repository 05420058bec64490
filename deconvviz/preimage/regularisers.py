"""What keeps an optimised image an image: total variation and norms, a number an image.

All take (N, C, H, W) and give (N), sums over the image: what they are multiplied with is the method's own.
"""

from __future__ import annotations

import torch
from torch import Tensor


def total_variation(images: Tensor, beta: float = 2.0) -> Tensor:
    """The sum over pixels and channels of (dx² + dy²)^(beta / 2); the last row and column have no neighbour.

    Args:
        images: (N, C, H, W).
        beta: 2 for smooth images; 1 keeps edges, and makes spikes in strided networks.

    Source:
        Mahendran & Vedaldi 2015, arXiv 1412.0035, sec. 2, as their code computes it.
    """
    right = images[..., :, 1:] - images[..., :, :-1]
    below = images[..., 1:, :] - images[..., :-1, :]
    if beta == 2.0:
        return right.square().sum((1, 2, 3)) + below.square().sum((1, 2, 3))
    squares = torch.nn.functional.pad(right.square(), (0, 1)) + torch.nn.functional.pad(
        below.square(), (0, 0, 0, 1)
    )
    return squares.clamp_min(1e-10).pow(beta / 2).sum((1, 2, 3))


def alpha_norm(images: Tensor, alpha: float = 6.0) -> Tensor:
    """The sum over pixels and channels of |x|^alpha: it keeps every channel's values within a range.

    Source:
        Mahendran & Vedaldi 2015, arXiv 1412.0035, sec. 2.
    """
    return images.abs().pow(alpha).sum((1, 2, 3))


def colour_norm(images: Tensor, alpha: float = 6.0) -> Tensor:
    """The sum over pixels of |colour|^alpha, the length of the three channels' vector: no colour is favoured.

    Source:
        Mahendran & Vedaldi 2016, arXiv 1512.02017, as their code computes it.
    """
    return images.square().sum(1).pow(alpha / 2).sum((1, 2))
