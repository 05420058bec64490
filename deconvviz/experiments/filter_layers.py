"""The layers of a network that have filters: its convolutions and its linear layers.

    for layer in filter_layers(network):
        layer.name, layer.module.weight

A layer goes by the paper's name where there is one (``conv1`` for the convolution whose rectified output the
papers call so), else by the path of its module. A unit's filter is all that it sees the layer below through:
(inputs, height, width) weights of a convolution, a row of a linear layer's matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from ..errors import LayerError, nearest
from ..models import Network, leaves


@dataclass(frozen=True)
class FilterLayer:
    """A layer with filters.

    Attributes:
        name: the paper's, or the module's path.
        path: of the module.
        module: the convolution or linear layer.
    """

    name: str
    path: str
    module: nn.Conv2d | nn.Linear

    @property
    def kernel(self) -> str:
        """What a filter measures: ``3×11×11``, or ``9216``."""
        return "×".join(map(str, self.module.weight.shape[1:]))

    @property
    def stride(self) -> tuple[int, int]:
        """How far the units of neighbouring places are apart, down and across; 1 of a linear layer."""
        if isinstance(self.module, nn.Linear):
            return 1, 1
        return int(self.module.stride[0]), int(self.module.stride[1])

    @property
    def groups(self) -> int:
        """How many groups of units look at different maps."""
        return self.module.groups if isinstance(self.module, nn.Conv2d) else 1


def filter_layers(network: Network, names: Sequence[str] = ()) -> list[FilterLayer]:
    """The network's layers with filters whose weights are there, in the order they were registered.

    Args:
        network: of any kind.
        names: only these layers, by the paper's names or module paths; none means all.

    Raises:
        LayerError: there is no such layer, or it has no filters.
        WeightsError: the weights file has no values for a layer that is named.

    Example:
        >>> from deconvviz.models import load_model
        >>> [layer.name for layer in filter_layers(load_model("mini"))]
        ['conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7', 'fc8']
    """
    known = _known(network)
    if not known:
        raise LayerError(f"{network.name} has no convolution or linear layer, so no filters to look at")
    served = [layer for layer in known if not layer.module.weight.is_meta]
    if not names:
        return served
    wanted = set()
    for name in names:
        path = network.path_of(name)
        found = [k.path for k in known if name in (k.name, k.path) or path == network.paper_names.get(k.name)]
        if not found:
            raise LayerError(f"'{name}' has no filters; {nearest(name, [k.name for k in known])}")
        wanted.add(found[0])
    return [layer for layer in served if layer.path in wanted]


def without_weights(network: Network) -> list[str]:
    """The names of the layers with filters for which the weights file has no values."""
    return [layer.name for layer in _known(network) if layer.module.weight.is_meta]


def _known(network: Network) -> list[FilterLayer]:
    """Every layer with filters; a paper's name belongs to it if what it names stands before the next one."""
    modules = leaves(network.module)
    places = {path: i for i, (path, _) in enumerate(modules)}
    named = {places[path]: name for name, path in network.paper_names.items() if path in places}
    found: list[FilterLayer] = []
    own = ""
    for i, (path, leaf) in reversed(list(enumerate(modules))):
        if i in named and not _reduces(leaf):
            own = named[i]
        if isinstance(leaf, nn.Conv2d | nn.Linear):
            found.insert(0, FilterLayer(own or path, path, leaf))
            own = ""
    return found


def _reduces(leaf: nn.Module) -> bool:
    """Whether a paper would give this layer's output a name of its own: ``pool1``, ``norm1``."""
    return "Pool" in type(leaf).__name__ or isinstance(leaf, nn.LocalResponseNorm)
