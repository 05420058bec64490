"""Errors between images: Dosovitskiy & Brox's normalised one, squared error, PSNR, SSIM.

All take two stacks of the same shape, (N, 3, H, W) in [0, 1], and give (N,) float64 on the CPU. None knows
what matters in a picture: a blurred reconstruction does well in all of them; `Lpips` minds.
"""

from __future__ import annotations

import torch
from torch import Tensor

SSIM_WINDOW = 11
"""The side of SSIM's Gaussian window, in pixels."""


def image_error_db(originals: Tensor, reconstructions: Tensor, pair_distance: float) -> Tensor:
    """The Euclidean distance to the original, over the mean distance between two test images.

    Args:
        originals: (N, 3, H, W) in [0, 1].
        reconstructions: the same shape.
        pair_distance: `mean_pair_distance` of the test images.

    Returns:
        (N,): 0 is perfect, 1 as far off as another test image.

    Source:
        Dosovitskiy & Brox, arXiv 1506.02753, as re-told; the definition could not be checked against the
        paper, so numbers are not to be put beside the paper's.
    """
    return _flat(originals, reconstructions).square().sum(1).sqrt() / pair_distance


def mean_squared_error(originals: Tensor, reconstructions: Tensor) -> Tensor:
    """The mean of the squared differences over pixels and channels: (N,), in squared units of [0, 1]."""
    return _flat(originals, reconstructions).square().mean(1)


def psnr(originals: Tensor, reconstructions: Tensor) -> Tensor:
    """The peak signal-to-noise ratio in dB for a range of 1: −10 log10 of the mean squared error.

    Returns:
        (N,): higher is better; infinite for equal images.
    """
    return -10 * mean_squared_error(originals, reconstructions).log10()


def ssim(originals: Tensor, reconstructions: Tensor) -> Tensor:
    """The structural similarity: how alike local mean, contrast and structure are, mean over all places.

    Gaussian window of 11x11 pixels with sigma 1.5, K1 = 0.01, K2 = 0.03, a channel at a time; images are
    mirrored at their borders, where others leave a margin of 5 pixels out.

    Returns:
        (N,): 1 for equal images, about 0 for unrelated ones. NaN where the images are smaller than the
        window: a smaller window would be another measure under the same name.

    Source:
        Wang et al., IEEE Transactions on Image Processing 13(4), 2004; computed by torchmetrics.
    """
    if min(originals.shape[-2:]) < SSIM_WINDOW:
        return torch.full((len(originals),), torch.nan, dtype=torch.float64)
    from torchmetrics.functional.image import structural_similarity_index_measure  # takes seconds to import

    found = structural_similarity_index_measure(
        reconstructions.float(), originals.float(), sigma=1.5, data_range=1.0, reduction="none"
    )
    assert isinstance(found, Tensor)  # noqa: S101  # a pair only where the full map is asked for
    return found.double().cpu()


def _flat(originals: Tensor, reconstructions: Tensor) -> Tensor:
    """The differences, an image a row: (N, 3 H W) float64 on the CPU."""
    if originals.shape != reconstructions.shape:
        raise ValueError(f"shapes differ: {tuple(originals.shape)}, {tuple(reconstructions.shape)}")
    return (originals.double() - reconstructions.double()).flatten(1).cpu()
