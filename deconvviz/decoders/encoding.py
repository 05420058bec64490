"""The frozen half: a network as far as its last wanted layer, and what it makes of images.

    encoder = Encoder(network, ["conv2", "conv5"])
    features = encoder(encoder.see(pixels))     # {"conv2": (N, 192, 27, 27), "conv5": (N, 256, 13, 13)}

One pass serves all layers and ends after the last of them. The network stays in evaluation mode and its
weights as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError
from ..models import Network
from ..models.building import preset
from ..models.features import features_of, frozen
from ..models.network import leaves
from ..training.augment import normalised, resized


class Encoder:
    """A network up to some layers.

    Attributes:
        network: whose layers they are.
        shapes: of one image's features, by layer: (C, H, W) or (C,).
    """

    def __init__(self, network: Network, layers: Sequence[str]) -> None:
        """Sends one grey image through, to learn the shapes; nothing where no layer is wanted.

        Raises:
            LayerError: there is no such layer, or it gives neither maps nor a vector.
            WeightsError: the weights file has no values for it.
            ModelError: the network does not take images of its input size.
        """
        self.network = network
        self._paths = {layer: network.path_of(layer) for layer in layers}
        self._called: dict[str, list[str]] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        side = network.input_size
        self._calls: list[str] = []
        if not layers:
            return
        with ExitStack() as undo:
            for path, leaf in leaves(network.module):
                undo.callback(leaf.register_forward_hook(self._count(path)).remove)
            try:
                features = self(torch.zeros(1, 3, side, side, device=self.device))
            except RuntimeError as error:
                raise ModelError(
                    f"{network.name} does not take {side}x{side} images: {str(error).splitlines()[0]}"
                ) from None
        self.shapes = {layer: tuple(value.shape[1:]) for layer, value in features.items()}

    def _count(self, path: str) -> Any:
        def hook(_module: nn.Module, _args: Any, _output: Any) -> None:
            self._calls.append(path)

        return hook

    @property
    def layers(self) -> tuple[str, ...]:
        """The wanted layers."""
        return tuple(self._paths)

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return next(
            (p.device for p in self.network.module.parameters() if not p.is_meta), torch.device("cpu")
        )

    def depth(self, layer: str) -> int:
        """How many modules have been called when a layer's features are there."""
        return len(self._called[layer])

    def digest(self, layer: str) -> str:
        """The sha256 of all parameters and buffers that a layer's features depend on, with their names."""
        modules = dict(self.network.module.named_modules())
        found = hashlib.sha256()
        for path in dict.fromkeys(self._called[layer]):
            for name, tensor in modules[path].state_dict().items():
                if name != "num_batches_tracked":
                    found.update(f"{path}.{name} {tuple(tensor.shape)}".encode())
                    found.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
        return found.hexdigest()

    def see(self, pixels: Tensor) -> Tensor:
        """uint8 pixels (N, H, W, 3) as the network takes them: (N, 3, S, S), normalised, on its device."""
        network = self.network
        images = normalised(pixels.to(self.device), network.mean, network.std, channels_last=False)
        return resized(images, network.input_size)

    def __call__(self, images: Tensor, layers: Sequence[str] | None = None) -> dict[str, Tensor]:
        """The features of (N, 3, S, S) normalised images, by layer; without gradients.

        Args:
            images: as `see` gives them.
            layers: which of its layers; None for all.
        """
        with torch.no_grad():
            return self.features(images, layers)

    def features(self, images: Tensor, layers: Sequence[str] | None = None) -> dict[str, Tensor]:
        """The same, with gradients towards the images where those want them, never towards the weights."""
        paths = self._paths if layers is None else {layer: self._paths[layer] for layer in layers}
        if not paths:
            return {}
        with frozen(self.network.module):
            return features_of(self.network.module, images, paths, self._reached)

    def _reached(self, layer: str) -> None:
        self._called.setdefault(layer, list(self._calls))


def shown_as(network: Network, side: int, mean: Sequence[float], std: Sequence[float]) -> Network:
    """The same network, with its images of another size or normalised otherwise.

    Args:
        network: the network.
        side: of its input, in pixels.
        mean: what the input is normalised with, a channel.
        std: likewise.
    """
    if (network.input_size, network.mean, network.std) == (side, tuple(mean), tuple(std)):
        return network
    size = round(side * network.resize_size / network.input_size)  # of the whole photograph
    scaled = preset(True, side, mean=tuple(mean), std=tuple(std), resize_size=size)
    return replace(network, preset=scaled)
