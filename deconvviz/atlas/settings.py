"""What a scan keeps, and of which layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import LayerError
from ..models import Network
from .scanning import Precision


@dataclass(frozen=True)
class ScanSettings:
    """What is kept of which units.

    Attributes:
        layers: names or module paths.
        topk: how many of the strongest activations of each unit.
        per_image: at most so many of one image.
        batch_size: images that go through the network together.
        precision: ``"float32"``, or ``"mixed"``: see `deconvviz.atlas.scanning.scan`.
    """

    layers: tuple[str, ...]
    topk: int = 9
    per_image: int = 1
    batch_size: int = 16
    precision: Precision = "float32"


def rectified_convolutions(network: Network) -> tuple[str, ...]:
    """The layers that are scanned where none are named: all convolutions that the weights serve.

    Raises:
        LayerError: the network's layers have no names of the papers.
    """
    names = tuple(
        name for name, path in network.paper_names.items() if name.startswith("conv") and network.serves(path)
    )
    if not names:
        raise LayerError(f"the layers of {network.name} have no names such as conv1: say which with --layer")
    return names


def in_order(network: Network, layers: Sequence[str]) -> tuple[str, ...]:
    """Layers in the network's own order.

    Raises:
        LayerError: there is no such layer.
        WeightsError: the weights file has no values for one.
    """
    order = [name for name, _ in network.module.named_modules()]
    return tuple(sorted(layers, key=lambda layer: order.index(network.path_of(layer))))
