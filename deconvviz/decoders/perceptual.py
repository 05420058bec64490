"""Where LPIPS finds the weights it is defined with: AlexNet's convolutions as trained on ImageNet.

They are at hand where the encoder itself is that network, or where torch's cache holds its file. Weights of
another training would give a number of the same name that cannot be compared with anyone else's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ..errors import WeightsError
from ..metrics import Lpips
from ..models import Network
from ..models.building import builder
from ..models.downloads import cached_file
from ..models.weights import read_state

_NAMES = [f"features.{number}.{kind}" for number in (0, 3, 6, 8, 10) for kind in ("weight", "bias")]
_SHA256 = "2b566cc3a4d6f0a7343701af22f461f1ac3dcd03a3ac28cce10968a1d3c85fdc"
"""Of the float32 values of torchvision's `AlexNet_Weights.IMAGENET1K_V1`, in that order."""


def lpips_at_hand(network: Network, file: Path | None = None) -> Lpips | None:
    """LPIPS with AlexNet's published weights, where they can be had without a download.

    Args:
        network: perhaps AlexNet itself.
        file: where to look instead.

    Returns:
        the measure, or None where the weights are not at hand.

    Raises:
        WeightsError: the file cannot be read, or holds other weights.
    """
    if file is not None:
        state = read_state(file)
        if not _published(state):
            raise WeightsError(
                f"{file} does not hold AlexNet's ImageNet weights, which LPIPS is defined with"
            )
        return Lpips(state)
    state = network.module.state_dict() if network.name == "alexnet" else {}
    if _published(state):
        return Lpips(state)
    cached = cached_file(builder("alexnet", True)[1])
    if cached.is_file():
        state = read_state(cached)
        return Lpips(state) if _published(state) else None
    return None


def _published(state: Mapping[str, Tensor]) -> bool:
    if any(name not in state or state[name].is_meta for name in _NAMES):
        return False
    found = hashlib.sha256()
    for name in _NAMES:
        found.update(state[name].detach().float().cpu().contiguous().numpy().tobytes())
    return found.hexdigest() == _SHA256
