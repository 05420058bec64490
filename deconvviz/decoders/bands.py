"""Coarse and fine: how much of each band of spatial frequencies is right, and how much of it is there at all.

    band_sums(originals, reconstructions)

A frequency of f cycles an image is a pattern that repeats f times across it: 1 to 2 is where the large masses
lie, 16 to 32 is fur and leaves. Errors are relative to what the original has in a band: 0 is perfect, 1 is
what an empty band would get, and more than 1 says that what is there is wrong.
"""

from __future__ import annotations

import torch
from torch import Tensor

BANDS = ((1, 2), (2, 4), (4, 8), (8, 16), (16, 32))
"""From (inclusive) and to (exclusive), in cycles an image; the mean colour, 0 cycles, is in none."""


def band_sums(originals: Tensor, reconstructions: Tensor) -> Tensor:
    """Squared magnitudes of the discrete Fourier transforms, summed over images, channels and a band.

    Args:
        originals: (N, 3, H, W).
        reconstructions: the same shape.

    Returns:
        (3, 5) float64 on the CPU: of the difference, of the original, of the reconstruction; a band a column.
        NaN for bands that reach beyond what images of this size can hold, half a cycle a pixel.
    """
    height, width = originals.shape[-2:]
    across = torch.fft.fftfreq(width, 1 / width)
    down = torch.fft.fftfreq(height, 1 / height)
    radius = (down[:, None] ** 2 + across[None] ** 2).sqrt()
    spectra = [torch.fft.fft2(images.double()) for images in (originals, reconstructions)]
    powers = torch.stack(
        [s.abs().square().sum((0, 1)).cpu() for s in (spectra[0] - spectra[1], *spectra)]
    )  # (3, H, W)
    sums = [
        powers[:, (radius >= low) & (radius < high)].sum(1)
        if high <= min(height, width) / 2
        else torch.full((3,), torch.nan, dtype=torch.float64)
        for low, high in BANDS
    ]
    return torch.stack(sums, 1)
