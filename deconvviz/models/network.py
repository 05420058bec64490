"""A network and what belongs to it: its layers' names, its preprocessing, its classes, its weights.

The deconvnet works on any chain-shaped `torch.nn.Module`. A `Network` adds what a picture needs besides:
how a photograph becomes the tensor the network sees, and back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import LayerError, WeightsError, nearest


@dataclass(frozen=True)
class WeightsOrigin:
    """Where the weights came from.

    Attributes:
        label: what a figure prints: ``"random (seed 0)"`` or the file's name.
        path: the file they were read from; None for random ones.
    """

    label: str
    path: Path | None = None


@dataclass(frozen=True)
class Network:
    """A module with its layer names, preprocessing, classes and the origin of its weights.

    Attributes:
        name: what the user called it, such as ``alexnet``.
        module: the network, in evaluation mode.
        preset: torchvision's own preprocessing for it: a PIL image to a (3, H, W) float tensor; its
            ``mean`` and ``std`` are the three numbers a channel that it normalises with.
        paper_names: the paper's layer names and the dotted module path of each, first layer first.
        categories: the class names by index; empty where none are known.
        class_ids: the classes' folder names or WordNet ids by index; likewise.
        origin: where the weights came from.
    """

    name: str
    module: nn.Module
    preset: Callable[[Any], Tensor]
    origin: WeightsOrigin
    paper_names: Mapping[str, str] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    class_ids: tuple[str, ...] = ()

    @property
    def input_size(self) -> int:
        """The side, in pixels, of the square image that the network is shown."""
        side: int = self.preset.crop_size[0]  # type: ignore[attr-defined]  # torchvision's preset, untyped
        return side

    @property
    def resize_size(self) -> int:
        """What the shorter side of a photograph is resized to, in pixels, before the square is cut."""
        short: int = self.preset.resize_size[0]  # type: ignore[attr-defined]  # as above
        return short

    @property
    def mean(self) -> tuple[float, ...]:
        """What is subtracted from each channel in [0, 1] before the network sees it."""
        return tuple(self.preset.mean)  # type: ignore[attr-defined]  # torchvision's preset, untyped

    @property
    def std(self) -> tuple[float, ...]:
        """What each channel is then divided by."""
        return tuple(self.preset.std)  # type: ignore[attr-defined]  # as above

    def path_of(self, layer: str) -> str:
        """The dotted module path of a layer given by the paper's name or by its path.

        Raises:
            LayerError: there is no such layer.
            WeightsError: the weights file has no values for it.
        """
        path = layer_path(self.module, layer, self.paper_names)
        if not self.serves(path):
            raise WeightsError(
                f"the weights {self.origin.label} have no values for '{layer}'; they serve {self.served()}"
            )
        return path

    def class_names(self, layer: str, channels: Sequence[int]) -> list[str]:
        """The class of each unit where the layer is the one that scores classes, else empty strings."""
        scores = self.path_of(layer) == leaves(self.module)[-1][0]
        known = len(self.categories) if scores else 0
        return [self.categories[c] if c < known else "" for c in channels]

    def served(self) -> str:
        """The range of paper names (or module paths) whose weights are there: ``conv1 to pool5``."""
        names = self.paper_names or {path: path for path, _ in leaves(self.module)}
        served = [name for name, path in names.items() if self.serves(path)]
        return f"{served[0]} to {served[-1]}" if served else "no layer"

    def serves(self, path: str) -> bool:
        """Whether every module registered up to the end of `path` has its weights."""
        within = False
        for name, leaf in leaves(self.module):
            inside = f"{name}.".startswith(f"{path}.")
            if within and not inside:
                return True
            within = inside
            if any(
                t is not None and t.is_meta for t in (*leaf._parameters.values(), *leaf._buffers.values())
            ):
                return False
        return True

    def move_to(self, device: torch.device) -> None:
        """Moves the module there, in place; parameters without values stay without."""
        if any(t.is_meta for t in (*self.module.parameters(), *self.module.buffers())):
            for _, leaf in leaves(self.module):
                if not any(t.is_meta for t in (*leaf.parameters(), *leaf.buffers())):
                    leaf.to(device)
        else:
            self.module.to(device)

    def see(self, image: Any) -> Tensor:
        """A PIL image as the batch of one that the network sees: (1, 3, H, W), normalised, row-major."""
        return self.preset(image)[None].contiguous()

    def pixels(self, images: Tensor) -> Tensor:
        """Undo the normalisation: what the network saw, as a picture.

        Args:
            images: (..., 3, H, W) as the network sees them.

        Returns:
            (..., 3, H, W) in [0, 1].
        """
        mean, std = (
            torch.tensor(values, dtype=images.dtype, device=images.device)[:, None, None]
            for values in (self.mean, self.std)
        )
        return (images * std + mean).clamp(0, 1)


def leaves(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """The modules without children, with their dotted paths, in the order they were registered."""
    return [(name, m) for name, m in module.named_modules() if not m._modules]


def layer_path(module: nn.Module, layer: str, paper_names: Mapping[str, str]) -> str:
    """The dotted path of a layer given by the paper's name or by its path.

    Raises:
        LayerError: there is no such layer; the message offers the nearest.
    """
    if layer in paper_names:
        return paper_names[layer]
    paths = [name for name, _ in module.named_modules() if name]
    if layer in paths:
        return layer
    known = [*paper_names, *paths] if layer.count(".") else [*paper_names] or paths
    raise LayerError(f"no layer '{layer}'; {nearest(layer, known)}")


def split(model: nn.Module | Network) -> tuple[nn.Module, Mapping[str, str]]:
    """The module and its paper names: a plain module has none and goes by its dotted paths."""
    return (model.module, model.paper_names) if isinstance(model, Network) else (model, {})


def kernels_of(network: Network, layer: str) -> tuple[str, Tensor]:
    """The kernels of a layer: of the convolution itself, or the last one before a rectified output.

    Returns:
        the convolution's module path, and (C, I, k, k).

    Raises:
        LayerError: the layer is no convolution.
        WeightsError: the weights file has no values for it.
    """
    path = network.path_of(layer)
    before: tuple[str, nn.Module] | None = None
    for name, leaf in leaves(network.module):
        if isinstance(leaf, nn.Conv2d | nn.Linear | nn.MaxPool2d | nn.AvgPool2d | nn.AdaptiveAvgPool2d):
            before = name, leaf
        if name == path:
            break
    if before is None or not isinstance(before[1], nn.Conv2d):
        convs = [n for n in network.paper_names if n.startswith("conv")] or [
            name for name, leaf in leaves(network.module) if isinstance(leaf, nn.Conv2d)
        ]
        raise LayerError(f"{layer} has no kernels to draw; convolutions: {', '.join(convs) or 'none'}")
    return before[0], before[1].weight.detach().cpu()
