"""The health of a network's filters, layer by layer: what Zeiler & Fergus used their pictures for.

    found = filter_health(network)                      # from the weights alone
    found = filter_health(network, batches=batches)     # and what fires over some images
    for finding in findings(found): ...                 # see `deconvviz.experiments.advice`

| column | what is counted |
|---|---|
| above | filters whose root mean square (RMS) exceeds 0.1, the radius of the paper |
| dominant | filters whose RMS exceeds five times the median of their layer |
| zero | filters all of whose weights are zero |
| twins | filters that another one of the layer makes superfluous, see `twins` |
| aliasing, smoothness | of the first convolution's kernels, see `aliasing` |
| dead, rare, always on, zeros | over images, see `firings` |

The paper's radius holds for its own scale: inputs in [-128, 128] and weights drawn at 0.01. A first layer
that sees images of unit deviation has larger weights, and a 1x1 convolution larger ones than a 3x3. So
`above` is told and no more; a filter is called dominant by comparison with its neighbours, whatever the
scale. Batch norms that were folded are part of the weights; others, with factors of their own, are not.

Source: Zeiler & Fergus 2013, sec. 3 (renormalisation) and 4.1, fig. 6 (dominant and dead features, aliasing).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..models import Network
from ..training.renormalise import RADIUS, filter_rms
from .aliasing import MOSTLY, ROUGH, aliasing, smoothness, spectrum
from .filter_layers import FilterLayer, filter_layers
from .firing import Firings, firings
from .twins import Twins, twins

DOMINANT = 5.0
"""A filter is dominant from so many times its layer's median RMS on."""


GRAINY = 5
"""Kernels must be so many pixels long to be called rough."""


@dataclass(frozen=True)
class FirstLayer:
    """What is looked at in the kernels that see pixels.

    Attributes:
        kernels: (C, I, h, w) as they are.
        stride: of the convolution, down and across.
        aliasing: (C,) share of each kernel's energy above the stride's limit.
        smoothness: (C,) of each kernel.
        spectrum: (S, S) mean energy by frequency, zero in the middle.
    """

    kernels: Tensor
    stride: tuple[int, int]
    aliasing: Tensor
    smoothness: Tensor
    spectrum: Tensor

    @property
    def aliased(self) -> tuple[int, ...]:
        """The kernels most of whose energy aliases."""
        return _where(self.aliasing > MOSTLY)

    @property
    def rough(self) -> tuple[int, ...]:
        """The kernels whose neighbouring weights hardly go together; smaller ones than 5x5 have no grain."""
        return _where(self.smoothness < ROUGH) if max(self.kernels.shape[2:]) >= GRAINY else ()


@dataclass(frozen=True)
class FilterHealth:
    """A layer's filters.

    Attributes:
        layer: whose.
        rms: (C,) float64, of each filter.
        zeros: share of the weights that are zero.
        twins: pairs of filters that are alike or opposite.
        first: of the network's first convolution; None for other layers.
        firings: how often the units fired; None without images, or where nothing rectifies them.
    """

    layer: FilterLayer
    rms: Tensor
    zeros: float
    twins: Twins
    first: FirstLayer | None = None
    firings: Firings | None = None

    @property
    def median(self) -> float:
        """The median RMS of the filters that are neither zero nor without a number; 0 if there are none."""
        some = self.rms[self.rms.isfinite() & (self.rms > 0)]
        return float(some.quantile(0.5)) if len(some) else 0.0

    @property
    def above(self) -> tuple[int, ...]:
        """The filters whose RMS exceeds the paper's radius."""
        return _where(self.rms > RADIUS)

    @property
    def dominant(self) -> tuple[int, ...]:
        """The filters that stand out from their layer."""
        return _where((self.rms > DOMINANT * self.median) & self.rms.isfinite())

    @property
    def zero(self) -> tuple[int, ...]:
        """The filters that are zero."""
        return _where(self.rms == 0)

    @property
    def broken(self) -> tuple[int, ...]:
        """The filters that hold NaN or infinity."""
        return _where(~self.rms.isfinite())


def filter_health(
    network: Network,
    layers: Sequence[str] = (),
    batches: Iterable[Tensor] | None = None,
    *,
    advance: Callable[[int], object] = lambda _images: None,
) -> list[FilterHealth]:
    """What can be said of a network's filters from their weights, and from what fires over images.

    Args:
        network: of any kind; of a weights file that ends early, the layers that it has.
        layers: only these, by the paper's names or module paths; none means all that have filters.
        batches: (N, 3, H, W) images each, normalised as the network expects, on its device; None looks at
            the weights alone. They are not looked at either where a filter holds NaN or infinity.
        advance: told after each batch how many images it held.

    Raises:
        LayerError: there is no such layer, or it has no filters.
        WeightsError: the weights file has no values for a layer that is named.
        ModelError: the network does not take the images.

    Example:
        >>> from deconvviz.models import load_model
        >>> conv1, conv2 = filter_health(load_model("mini"), ["conv1", "conv2"])
        >>> len(conv1.rms), conv1.dominant, round(conv1.median, 3), conv2.first
        (48, (), 0.049, None)
    """
    chosen = filter_layers(network, layers)
    beginning = next((one.path for one in filter_layers(network) if isinstance(one.module, nn.Conv2d)), "")
    found = []
    with torch.no_grad():
        for one in chosen:
            weight = one.module.weight.detach()
            first = _first(one) if one.path == beginning else None
            zeros = float((weight == 0).double().mean())
            rms = filter_rms(weight).cpu()
            found.append(FilterHealth(one, rms, zeros, twins(weight, one.groups), first))
    if batches is None or any(one.broken for one in found):
        return found
    fired = firings(network, chosen, batches, advance=advance)
    return [FilterHealth(f.layer, f.rms, f.zeros, f.twins, f.first, fired.get(f.layer.path)) for f in found]


def _first(layer: FilterLayer) -> FirstLayer:
    kernels, conv = layer.module.weight.detach(), layer.module
    dilation = (int(conv.dilation[0]), int(conv.dilation[1])) if isinstance(conv, nn.Conv2d) else (1, 1)
    return FirstLayer(
        kernels.cpu(),
        layer.stride,
        aliasing(kernels, layer.stride, dilation).cpu(),
        smoothness(kernels).cpu(),
        spectrum(kernels, dilation).cpu(),
    )


def _where(mask: Tensor) -> tuple[int, ...]:
    return tuple(mask.nonzero().flatten().tolist())
