"""Renormalising filters while they are trained, so that none comes to dominate its layer.

    train-classifier --renormalise 0.1

After each step of the optimiser every convolution's filter whose root mean square exceeds the radius is
scaled back to it; its direction stays, and so do all other filters, bit for bit. A filter is what one unit
sees the maps below it through: all its weights together, without the bias.

The paper's radius, 0.1, goes with images in [-128, 128] and weights drawn at 0.01. Images of unit deviation
are some sixty times smaller, and the filters of a first layer that gives the same maps as much larger: there
a larger radius may be wanted. Where a batch norm follows, the length of a filter does not change the maps
at all, only how fast its direction is learned.

Source: Zeiler & Fergus 2013, sec. 3.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..errors import TrainingError

RADIUS = 0.1
"""The radius of the paper."""


def filter_rms(weight: Tensor) -> Tensor:
    """The root mean square of each filter's weights.

    Args:
        weight: (C, ...): kernels of a convolution, or rows of a matrix.

    Returns:
        (C,) float64.

    Example:
        >>> [round(rms, 3) for rms in filter_rms(torch.tensor([[3.0, 3.0], [0.0, 4.0]])).tolist()]
        [3.0, 2.828]
    """
    length: Tensor = torch.linalg.vector_norm(weight.detach().flatten(1), dim=1, dtype=torch.float64)
    return length / math.sqrt(weight[0].numel())


def renormalise(module: nn.Module, radius: float = RADIUS) -> None:
    """Scales every convolution's filters whose root mean square exceeds the radius back to it, in place.

    Args:
        module: of which those convolutions are scaled whose weights are trained.
        radius: the largest root mean square allowed.

    Raises:
        TrainingError: the radius is not positive.

    Example:
        >>> layer = nn.Conv2d(1, 2, 1, bias=False)
        >>> layer.weight.data = torch.tensor([0.05, -7.0]).reshape(2, 1, 1, 1)
        >>> renormalise(layer)
        >>> [round(weight, 6) for weight in layer.weight.flatten().tolist()]
        [0.05, -0.1]
    """
    if not 0 < radius < math.inf:
        raise TrainingError(f"--renormalise takes a positive number such as {RADIUS}, not {radius}")
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d) and layer.weight.requires_grad:
                rms = filter_rms(layer.weight)
                just_below = radius * (1 - 2 * torch.finfo(layer.weight.dtype).eps)  # rounding stays inside
                factors = torch.where(rms > radius, just_below / rms, 1.0).to(layer.weight.dtype)
                layer.weight.mul_(factors[:, None, None, None])
