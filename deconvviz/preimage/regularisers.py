"""What keeps an optimised image an image: total variation and norms, a number an image.

All take (N, C, H, W) and give (N), sums over the image: what they are multiplied with is the method's own.
"""

from __future__ import annotations

from torch import Tensor


def total_variation(images: Tensor) -> Tensor:
    """The sum over pixels and channels of dx² + dy²; the last row and column have no neighbour.

    The papers raise it to a power beta / 2; for networks they take beta = 2, since 1 makes spikes where
    convolutions are strided.

    Args:
        images: (N, C, H, W).

    Source:
        Mahendran & Vedaldi 2015, arXiv 1412.0035, sec. 2, as their code computes it.
    """
    right = images[..., :, 1:] - images[..., :, :-1]
    below = images[..., 1:, :] - images[..., :-1, :]
    return right.square().sum((1, 2, 3)) + below.square().sum((1, 2, 3))


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
