"""What a scan keeps, and of which layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from ..errors import LayerError
from ..models import Network, leaves
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
        raise LayerError(
            f"the layers of {network.name} have no names such as conv1: say which with --layer, by module "
            f"paths such as {', '.join(_examples(network))}; 'deconvviz layers' lists all"
        )
    return names


def _examples(network: Network) -> list[str]:
    """A few layers that can be scanned: rectifiers, or convolutions where there are none."""
    there = [(path, module) for path, module in leaves(network.module) if network.serves(path)]
    rectified = [path for path, module in there if isinstance(module, nn.ReLU)]
    found = rectified or [path for path, module in there if isinstance(module, nn.Conv2d)]
    found = found or [path for path, _ in there]
    return list(dict.fromkeys((found[0], found[len(found) // 2], found[-1])))


def in_order(network: Network, layers: Sequence[str]) -> tuple[str, ...]:
    """Layers in the network's own order, each once; two names of one module are two layers.

    Raises:
        LayerError: there is no such layer, or none is named.
        WeightsError: the weights file has no values for one.
    """
    if not layers:
        raise LayerError("no layer to scan: name at least one")
    order = [name for name, _ in network.module.named_modules()]
    return tuple(sorted(dict.fromkeys(layers), key=lambda layer: order.index(network.path_of(layer))))
