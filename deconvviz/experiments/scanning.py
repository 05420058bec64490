"""The strongest activation of every unit of some layers over many images, in one pass through each.

Nothing but a running maximum is kept: each unit's largest activation so far, the image and the place. Equal
activations take the first image, and in it the first place, row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.datasets import LabelledImages
from ..models import Network
from ..models.features import features_of, frozen
from ..models.network import leaves
from ..models.numbers import blamed
from ..training.augment import normalised, resized
from ..training.batches import gathered


@dataclass
class Peaks:
    """The strongest activation of each of a layer's C units; on the device of the network.

    Attributes:
        values: (C,) the activations.
        rows: (C,) int64, the rows of the images.
        places: (C,) int64, flat, row by row of the feature map; 0 for vectors.
        width: of the layer's feature maps; 0 where it gives vectors.
    """

    values: Tensor
    rows: Tensor
    places: Tensor
    width: int

    def place(self, channel: int) -> tuple[int | None, int | None]:
        """Row and column of one unit's activation; None for a unit of a vector."""
        return divmod(int(self.places[channel]), self.width) if self.width else (None, None)

    def add(self, features: Tensor, rows: Tensor) -> bool:
        """Takes in the next images' activations.

        Args:
            features: (N, C, H, W) or (N, C).
            rows: (N,) of their images.

        Returns:
            whether the strongest are numbers.
        """
        of_images = features.amax((2, 3)) if features.ndim == 4 else features
        first = of_images.argmax(0)  # of equal ones the first
        channels = torch.arange(features.shape[1], device=features.device)
        values = of_images[first, channels]
        maps = features[first, channels].reshape(len(channels), -1)
        better = values > self.values
        self.values = torch.where(better, values, self.values)
        self.rows = torch.where(better, rows[first], self.rows)
        self.places = torch.where(better, maps.argmax(1), self.places)
        return bool(values.isfinite().all())


def peaks_of(
    network: Network,
    layers: Sequence[str],
    images: LabelledImages,
    *,
    batch_size: int = 64,
    advance: Callable[[int], object] = lambda _images: None,
) -> dict[str, Peaks]:
    """The strongest activation of every unit of some layers, over all images of a set.

    Args:
        network: on its device; it is left as it was.
        layers: their names; the passes end after the last of them.
        images: shown as they are: scaled to the network's input, neither cropped nor mirrored.
        batch_size: images a pass.
        advance: told after each pass how many images it took.

    Raises:
        LayerError: there is no such layer, or it has no units.
        WeightsError: the weights hold values that are not numbers.
        ModelError: the network's activations are none.

    Example:
        >>> from deconvviz import load_model, open_data
        >>> data = open_data("dead-leaves", train_per_class=1, val_per_class=1, side=32, progress=False)
        >>> peaks = peaks_of(load_model("cifar", "random"), ["conv1_1"], data.train)["conv1_1"]
        >>> bool((peaks.rows < 12).all())
        True
    """
    paths = {layer: network.path_of(layer) for layer in layers}
    found: dict[str, Peaks] = {}
    batches = [images.rows[i : i + batch_size] for i in range(0, len(images), batch_size)]
    coming = gathered(images.pixels, images.labels, batches, _place(network)[0])
    with frozen(network.module), torch.inference_mode():
        for batch, (pixels, _) in zip(batches, coming, strict=True):
            shown = seen(network, pixels, channels_last=True)
            for layer, features in features_of(network.module, shown, paths).items():
                if layer not in found:
                    found[layer] = _nothing(features)
                if not found[layer].add(features, torch.from_numpy(batch).to(features.device)):
                    raise blamed(shown, leaves(network.module))
            advance(len(batch))
    return found


def seen(network: Network, pixels: Tensor, channels_last: bool = False) -> Tensor:
    """uint8 pixels (N, H, W, 3) as a network takes them.

    Args:
        network: on its device.
        pixels: on any device.
        channels_last: memory layout of the result.

    Returns:
        (N, 3, S, S), normalised, on the network's device and of its precision.
    """
    device, precision = _place(network)
    plain = normalised(pixels.to(device), network.mean, network.std, channels_last)
    return resized(plain, network.input_size).to(precision)


def _place(network: Network) -> tuple[torch.device, torch.dtype]:
    weight = next(iter(network.module.parameters()), torch.empty(0))
    return weight.device, weight.dtype


def _nothing(features: Tensor) -> Peaks:
    """Weaker than anything."""
    count = features.shape[1]
    nowhere = features.new_zeros(count, dtype=torch.int64)
    width = features.shape[3] if features.ndim == 4 else 0
    return Peaks(features.new_full((count,), -torch.inf), nowhere, nowhere, width)
