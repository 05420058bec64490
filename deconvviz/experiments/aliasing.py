"""What a first layer's kernels respond to that its stride cannot carry: aliasing.

    shares = aliasing(weight, stride)  # 0: none of a kernel's energy aliases; 1: all of it
    spectrum(weight)                   # where the energy lies, the mean over the kernels

A convolution of stride s keeps every s-th place of its map. By the sampling theorem that carries frequencies
up to 1 / (2 s) cycles a pixel along each axis; what a kernel responds to beyond comes out as a coarser
pattern that was not there. The share of a kernel's energy beyond that box is

    1 - (1 / |k|²) Σ k(m, n) k(m', n') S_v(m - m') S_h(n - n'),   S_s(d) = sinc(d / s) / s,

summed over its colours: the energy inside the box in closed form, what a Fourier transform padded with
endless zeros would give. Nothing is windowed, since a kernel does end at its edge, and no mean is taken off:
what a kernel says of plain brightness lies inside the box. At stride 1 nothing aliases. A kernel of white
noise has the share 1 - 1 / s²: 0.75 at stride 2 and 0.94 at stride 4.

The share is the kernel's: what it makes of images that hold all frequencies alike. Photographs hold less of
the high ones, so that less of the *map* aliases.

`smoothness` tells kernels that are noise or a fine pattern: neighbouring weights that do not go together.

Source: Zeiler & Fergus 2013, sec. 4.1 and fig. 6: 11x11 kernels at stride 4 alias, 7x7 at stride 2 less.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

MOSTLY = 0.5
"""A kernel aliases if more than this share of its energy lies above the limit."""
ROUGH = 0.5
"""A kernel is rough if its smoothness is below this."""


def aliasing(weight: Tensor, stride: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> Tensor:
    """The share of each kernel's energy at frequencies above what the stride carries.

    Args:
        weight: (C, I, h, w); a kernel that is zero has no energy, and the share 0.
        stride: of the convolution, down and across.
        dilation: pixels between neighbouring weights, likewise.

    Returns:
        (C,) float64 in [0, 1].

    Example:
        >>> flat, checkers = torch.ones(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
        >>> checkers[..., ::2, 1::2] = checkers[..., 1::2, ::2] = -1
        >>> [round(share, 2) for share in aliasing(torch.cat([flat, checkers]), (4, 4)).tolist()]
        [0.18, 1.0]
    """
    kernels = weight.detach().double()
    down, across = (
        _within(kernels.shape[2 + i], stride[i], dilation[i]).to(kernels.device) for i in range(2)
    )
    energy = kernels.square().sum((1, 2, 3))
    inside = (torch.einsum("mp,cipq,qn->cimn", down, kernels, across) * kernels).sum((1, 2, 3))
    beyond = torch.where(energy > 0, 1 - inside / energy, 0).clamp(0, 1)
    share: Tensor = beyond if max(stride) > 1 else torch.zeros_like(beyond)
    return share


def _within(length: int, stride: int, dilation: int) -> Tensor:
    """(length, length): the energy below the limit, as a form quadratic in a row of weights."""
    places = dilation * torch.arange(length, dtype=torch.float64)
    return torch.sinc((places[:, None] - places[None]) / stride) / stride


def spectrum(weight: Tensor, dilation: tuple[int, int] = (1, 1), side: int = 64) -> Tensor:
    """How the kernels' energy is spread over frequencies: the mean over kernels of energy 1.

    Args:
        weight: (C, I, h, w); kernels that are zero are left out.
        dilation: pixels between neighbouring weights, down and across.
        side: frequencies along each axis; at least a kernel's length.

    Returns:
        (side, side) float64 of mean 1 where any kernel has energy: from -1/2 to 1/2 cycles a pixel, zero in
        the middle (row and column ``side // 2``).
    """
    kernels = weight.detach().double()
    spread = [(n - 1) * d + 1 for n, d in zip(kernels.shape[2:], dilation, strict=True)]
    side = max(side, *spread)
    placed = kernels.new_zeros(*kernels.shape[:2], *spread)
    placed[..., :: dilation[0], :: dilation[1]] = kernels
    power = torch.fft.fft2(placed, s=(side, side)).abs().square().sum(1)
    energy = power.mean((1, 2), keepdim=True)
    alive = energy.flatten() > 0
    mean: Tensor = (power[alive] / energy[alive]).sum(0) / max(1, int(alive.sum()))
    centred: Tensor = torch.fft.fftshift(mean)
    return centred


def smoothness(weight: Tensor) -> Tensor:
    """How far neighbouring weights of a kernel go together: their correlation about zero.

    Down and across are told apart and the larger is taken, so that fine stripes are smooth along themselves.
    It is 1 for a flat kernel, near 0 for noise, below 0 for checkers.

    Args:
        weight: (C, I, h, w).

    Returns:
        (C,) float64 in [-1, 1]; NaN for a kernel that is zero, and for all where it is only a pixel.
    """
    kernels = weight.detach().double()
    found = [_neighbours(kernels.transpose(2, axis)) for axis in (2, 3) if kernels.shape[axis] > 1]
    if not found:
        return kernels.new_full((len(kernels),), math.nan)
    best: Tensor = torch.stack(found).nan_to_num(-2).amax(0)
    known: Tensor = torch.where(best < -1.5, math.nan, best.clamp(-1, 1))
    return known


def _neighbours(kernels: Tensor) -> Tensor:
    """The correlation of each weight with the one below."""
    upper, lower = kernels[:, :, :-1], kernels[:, :, 1:]
    products, first, second = (p.sum((1, 2, 3)) for p in (upper * lower, upper.square(), lower.square()))
    found: Tensor = products / (first * second).sqrt()
    return found
