"""Pictures as a network sees them, and what a layer makes of them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..models import Network
from ..models.features import features_of, frozen


def normalised(network: Network, pictures: Tensor) -> Tensor:
    """Pictures as the network takes them: the inverse of `Network.pixels`.

    Args:
        network: whose mean and deviation count.
        pictures: (N, 3, H, W) in [0, 1].
    """
    mean, std = (
        torch.tensor(values, dtype=pictures.dtype, device=pictures.device)[:, None, None]
        for values in (network.mean, network.std)
    )
    return (pictures - mean) / std


def encoded(network: Network, images: Tensor, layer: str) -> Tensor:
    """What a layer sees in images, in one pass that ends there; without gradients.

    Args:
        network: whose layer it is; left as it was.
        images: (N, 3, H, W), normalised as it expects, on its device.
        layer: its name.

    Returns:
        (N, C, H, W) or (N, C).
    """
    with torch.no_grad(), frozen(network.module):
        return features_of(network.module, images, {layer: network.path_of(layer)})[layer]
