"""The mirrored network: every layer transposed, in reverse order, from one layer down to the pixels.

    trace = record(network, images, ["conv5"])
    net = mirror(trace, "conv5")
    print(net)                          # the mirrored network, layer by layer
    pixels = net(signal)                # whole maps, (K, 256, 13, 13) -> (K, 3, 224, 224)

A zero signal gives exactly zero: no layer of the mirror has a bias. Under the gradient rule the mirror is
linear, and it is the transposed Jacobian of the network at the image; under the other two it is positively
homogeneous.

Source: Zeiler & Fergus 2013, sec. 2.1 and fig. 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from ..errors import ChainError
from . import elementwise, filtering, unpooling  # noqa: F401  # each registers its transposes
from .mirrored import MirroredLayer, transpose
from .rules import Rules
from .trace import Trace
from .windows import Windows


class Mirror(nn.Sequential):
    """Mirrored layers in the order in which the signal meets them.

    Attributes:
        names: the forward layer that each mirrors; ``zip(net.names, net)`` walks the mirror.
        layer: the layer it starts from.
    """

    def __init__(self, layer: str, names: tuple[str, ...], layers: list[MirroredLayer]) -> None:
        super().__init__(*layers)
        self.layer = layer
        self.names = names

    def __iter__(self) -> Iterator[MirroredLayer]:
        return cast(Iterator[MirroredLayer], super().__iter__())

    def forward(self, signal: Tensor, images: tuple[int, ...] | None = None) -> Tensor:
        """Signal on whole maps of the layer, taken to pixels.

        Args:
            signal: (K, C, H, W), or (K, C) for a fully connected layer.
            images: (K) the image of the batch whose switches and masks serve each signal; None when K = N,
                in order, or when one image was recorded.

        Returns:
            (K, 3, H, W) in the network's input space: signed, zero where nothing arrives.
        """
        for layer in self:
            signal = layer(signal, images)
        return signal

    def descend(self, signal: Tensor, windows: Windows, budget: int) -> list[tuple[Tensor, Windows]]:
        """Signal inside windows of the layer, taken to pixels inside windows of the image.

        All units travel in one batch while the batch is small. Once a layer's signal would outgrow the
        budget they go on one by one, each clipped to its map: large batches spend their time waiting for
        memory.

        Args:
            signal: (K, C, h, w) inside `windows`.
            windows: K windows of equal size.
            budget: bytes that a batch's signal may take at one layer.

        Returns:
            Pieces of the batch in order: (k, 3, h, w) pixels and their k windows of the image.
        """
        return self._descend(0, signal, windows, budget)

    def _descend(
        self, start: int, signal: Tensor, windows: Windows, budget: int
    ) -> list[tuple[Tensor, Windows]]:
        for i, layer in list(enumerate(self))[start:]:
            below = layer.below(windows)
            size = len(below) * layer.input_shape[1] * below.size[0] * below.size[1] * signal.element_size()
            if len(below) > 1 and size > budget:
                pieces = []
                for k in range(len(windows)):
                    alone = windows.pick(k).clipped() if signal.ndim == 4 else windows.pick(k)
                    pieces += self._descend(
                        i, _part(signal[k : k + 1], windows.pick(k), alone), alone, budget
                    )
                return pieces
            signal = layer.descend(signal, windows, below)
            windows = below
        return [(signal, windows)]

    def __repr__(self) -> str:
        width = max((len(name) for name in self.names), default=0)
        lines = [f"  {name:<{width}}  {layer!r}" for name, layer in zip(self.names, self, strict=True)]
        return "\n".join([f"Mirror of '{self.layer}', from its activations down to pixels:", *lines])


def _part(signal: Tensor, whole: Windows, part: Windows) -> Tensor:
    """The signal of one window inside its clipped part."""
    if whole.size == part.size:
        return signal
    if part.is_whole and not whole.is_whole:
        return whole.paste(signal)
    top, left = part.tops[0] - whole.tops[0], part.lefts[0] - whole.lefts[0]
    return signal[:, :, top : top + part.size[0], left : left + part.size[1]]


def mirror(trace: Trace, layer: str, rules: Rules = Rules()) -> Mirror:  # noqa: B008  # frozen
    """The mirrored network of a recorded pass, from a layer down to the pixels.

    Args:
        trace: of a pass that kept `layer`, through a chain of layers.
        layer: where to start.
        rules: rectification, unpooling and treatment of contrast normalisation.

    Raises:
        ChainError: the network branches, calls a function between modules, or has a layer without a
            known transpose; the message names the layer.

    Example:
        >>> from torch import nn, zeros
        >>> from deconvviz import record
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        >>> mirror(record(net, zeros(1, 3, 8, 8), ["1"]), "1").names
        ('1', '0')
    """
    records = trace.down_from(layer)
    for step in records:
        if step.broken:
            raise ChainError(f"no mirror below '{layer}': {step.broken}")
    with torch.no_grad():
        layers = [transpose(step.module, step, rules) for step in records]
    return Mirror(layer, tuple(step.name for step in records), layers)
