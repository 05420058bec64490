"""Full float32 on a GPU, whose convolutions leave out most of its digits unless told not to.

    with full_precision(device):
        module(images)

TF32 keeps ten bits of each factor: activations are a thousandth off, and max-pools choose other places. The
flags are of the whole process, so they are set around a piece of work and not in its threads.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def full_precision(device: torch.device) -> AbstractContextManager[None]:
    """Convolutions in this block compute in float32 as it is written, the same each time.

    Args:
        device: where they compute; nothing is changed for any but a CUDA device.

    Example:
        >>> with full_precision(torch.device("cpu")):
        ...     torch.nn.functional.conv1d(torch.ones(1, 1, 2), torch.ones(1, 1, 2)).item()
        2.0
    """
    if device.type != "cuda":
        return nullcontext()
    cudnn = torch.backends.cudnn
    flags: AbstractContextManager[None] = cudnn.flags(
        enabled=cudnn.enabled, benchmark=False, deterministic=True, allow_tf32=False
    )
    return flags
