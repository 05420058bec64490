"""Where values come from that are no numbers, once a pass has shown that there are some."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..errors import DeconvvizError, ModelError, WeightsError


def blamed(images: Tensor, modules: Iterable[tuple[str, nn.Module]]) -> DeconvvizError:
    """The error to raise after a pass that gave NaN or infinity: it names the image, a weight or neither.

    Args:
        images: what the pass was given.
        modules: those that it went through, with their names.
    """
    if not torch.isfinite(images).all():
        return ModelError("the image tensor holds NaN or infinity")
    for path, module in modules:
        for name, value in (*module.named_parameters(), *module.named_buffers()):
            if not value.is_meta and not torch.isfinite(value).all():
                return WeightsError(
                    f"the weights hold NaN or infinity in '{path}.{name}'; the file is damaged"
                )
    return ModelError("the network's activations are NaN or infinite for this image")
