"""LPIPS: a distance between images that follows people's judgements better than pixels do.

    lpips = Lpips(torch.load("alexnet_features.pth", weights_only=True))
    lpips(originals, reconstructions)

Both images go through AlexNet; at each of its five rectified convolutions the channels of a place are scaled
to length 1, their squared differences weighted by what was learnt from people's judgements, and averaged over
the places. The learnt weights ship with torchmetrics; those of AlexNet are the caller's, since torchmetrics
would download them. An encoder that is AlexNet itself is judged by its own features here: its reconstructions
may seem better than they look.

Source: Zhang et al., CVPR 2018, version 0.1, backbone AlexNet.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..errors import ImageError, WeightsError

_SMALLEST = 31  # pixels: from smaller images AlexNet's second pooling has nothing to take
_SLICES = {"0": "slice1.0", "3": "slice2.3", "6": "slice3.6", "8": "slice4.8", "10": "slice5.10"}
"""AlexNet's convolutions, as torchvision numbers them, and what torchmetrics calls them."""


class Lpips:
    """LPIPS with AlexNet as backbone, from AlexNet weights at hand; nothing is downloaded.

    Args:
        state: weights and biases of AlexNet's convolutions, ``features.{0,3,6,8,10}.{weight,bias}`` as
            torchvision names them; what else it holds is not looked at.

    Raises:
        WeightsError: a convolution is missing, or has another shape than AlexNet's.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        from torchmetrics.functional.image.lpips import _LPIPS  # takes seconds to import

        with torch.random.fork_rng(devices=[]):  # its random backbone shall cost nobody's seed a draw
            self.network = _LPIPS(pretrained=True, net="alex", pnet_rand=True)
        own = self.network.net.state_dict()
        for number, place in _SLICES.items():
            for kind in ("weight", "bias"):
                name, target = f"features.{number}.{kind}", own[f"{place}.{kind}"]
                if name not in state:
                    raise WeightsError(f"LPIPS wants AlexNet's convolutions; the weights have no '{name}'")
                if state[name].shape != target.shape:
                    raise WeightsError(
                        f"LPIPS wants AlexNet's convolutions; '{name}' is {tuple(state[name].shape)}, "
                        f"not {tuple(target.shape)}"
                    )
                target.copy_(state[name])

    def __call__(self, originals: Tensor, reconstructions: Tensor) -> Tensor:
        """The distance of each pair, on the images' device.

        Args:
            originals: (N, 3, H, W) in [0, 1], at least 31 pixels high and wide.
            reconstructions: the same shape.

        Returns:
            (N,) float64 on the CPU: 0 for equal images, larger the less alike they look.

        Raises:
            ImageError: the images are too small for AlexNet.
        """
        if min(originals.shape[-2:]) < _SMALLEST:
            raise ImageError(
                f"LPIPS wants images of at least {_SMALLEST} pixels a side; "
                f"these have {originals.shape[-2]}x{originals.shape[-1]}"
            )
        self.network.to(originals.device)
        with torch.no_grad():
            found: Tensor = self.network(originals.float(), reconstructions.float(), normalize=True)
        return found.flatten().double().cpu()
