"""How often each unit fires over a set of images: dead units, rare ones, those always on, and sparsity.

    found = firings(network, filter_layers(network), batches)
    found["features.8"].dead, found["features.8"].zeros

A unit fires at a place where its rectified output is positive. Rectifiers are caught as *calls*, so that
modules, functions and in-place forms count alike, and each is traced back to the layer whose filters it
rectifies: through batch norms, dropout, max-pools and sums. A sum of two branches rectifies the filters of
both, whose units of one number then share their counts. Layers that no rectifier follows (class scores,
linear bottlenecks, what is concatenated first) have none and are left out.

`Firings.zeros`, the sparsity, is the plain share of zeros in the rectified output: over all units, places
and images.

Source: dead units: Zeiler & Fergus 2013, sec. 4.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from ..errors import ModelError
from ..gradients.rectifying import rectifies, value
from ..models import Network, leaves
from ..models.features import SeenEnough, frozen
from ..models.numbers import blamed
from .filter_layers import FilterLayer

RARE = 1e-3
"""A unit that fires at a smaller share of places than this, but somewhere, fires rarely."""
_PASSING: set[Any] = {F.batch_norm, torch.batch_norm, F.group_norm, torch.group_norm, F.instance_norm}
_PASSING |= {F.layer_norm, torch.layer_norm, F.dropout, F.dropout2d, torch.dropout, F.local_response_norm}
_PASSING |= {F.max_pool2d, torch.max_pool2d}
_SUMS: set[Any] = {torch.add, Tensor.add, Tensor.add_, Tensor.__add__, Tensor.__iadd__, Tensor.__radd__}


@dataclass(frozen=True)
class Firings:
    """How often the units of a layer fired.

    Attributes:
        images: how many were shown.
        places: at which a unit was rectified in all of them together; of a vector's units that is one an
            image, of a layer that is called several times, or summed into what is rectified again, more.
        shares: (C,) float64: the share of its places at which each unit fired.
        reach: (C,) float64: the share of the images in which it fired anywhere.
    """

    images: int
    places: int
    shares: Tensor
    reach: Tensor

    @property
    def dead(self) -> tuple[int, ...]:
        """The units that never fired."""
        return _where(self.shares == 0)

    @property
    def rare(self) -> tuple[int, ...]:
        """The units that fired at fewer than `RARE` of their places, but did."""
        return _where((self.shares > 0) & (self.shares < RARE))

    @property
    def always(self) -> tuple[int, ...]:
        """The units that fired at every place of every image: their rectifier never acts."""
        return _where(self.shares == 1)

    @property
    def zeros(self) -> float:
        """The sparsity: the share of zeros in the rectified output."""
        return 1 - float(self.shares.mean())


def firings(
    network: Network,
    layers: Sequence[FilterLayer],
    batches: Iterable[Tensor],
    *,
    advance: Callable[[int], object] = lambda _images: None,
) -> dict[str, Firings]:
    """Counts how often the units of some layers fire.

    Args:
        network: on its device; it is left as it was. Where the weights end early, so do the passes.
        layers: whose units.
        batches: (N, 3, H, W) images each, normalised as the network expects, on its device.
        advance: told after each pass how many images it took.

    Returns:
        By module path; without the layers that nothing rectifies.

    Raises:
        ModelError: the network does not take the images, or its activations are no numbers.
        WeightsError: the weights hold values that are no numbers.

    Example:
        >>> from deconvviz.models import load_model
        >>> from deconvviz.experiments.filter_layers import filter_layers
        >>> network = load_model("cifar", "random")
        >>> found = firings(network, filter_layers(network)[:1], [torch.zeros(2, 3, 32, 32)])
        >>> [one.images for one in found.values()]
        [2]
    """
    module, counts = network.module, _Counts()
    empty = [m for _, m in leaves(module) if any(t.is_meta for t in (*m.parameters(), *m.buffers()))]
    with ExitStack() as undo, frozen(module), torch.inference_mode():
        undo.callback(counts.outputs.clear)
        for layer in layers:
            undo.callback(layer.module.register_forward_hook(counts.follow(layer)).remove)
        for part in empty:
            undo.callback(part.register_forward_pre_hook(_stop).remove)
        for images in batches:
            try:
                with counts, suppress(SeenEnough):
                    module(images)
            except RuntimeError as error:
                why = str(error).splitlines()[0]
                raise ModelError(
                    f"{network.name} does not take images of {tuple(images.shape)}: {why}"
                ) from error
            if counts.bad:
                raise blamed(images, leaves(module))
            counts.end_pass(len(images))
            advance(len(images))
    return {layer.path: counts.of(layer.path) for layer in layers if layer.path in counts.fired}


def _stop(_module: nn.Module, _args: Any) -> None:
    raise SeenEnough


class _Counts(TorchFunctionMode):
    """Watches the calls of forward passes: whose output each tensor is, and where it is rectified."""

    def __init__(self) -> None:
        super().__init__()
        # by tensor: the layers whose filters gave it, and the axis along which their units lie
        self.outputs: MutableMapping[Tensor, tuple[tuple[str, int], ...]] = WeakTensorKeyDictionary()
        self.fired: dict[str, Tensor] = {}
        self.reached: dict[str, Tensor] = {}
        self._here: dict[str, Tensor] = {}  # in this pass: (N, C) whether a unit fired in an image
        self.places: dict[str, int] = {}
        self.images, self.bad = 0, False

    def follow(self, layer: FilterLayer) -> Any:
        """A hook that notes a layer's output; of a linear layer the units lie along the last axis."""
        axis = 1 if isinstance(layer.module, nn.Conv2d) else -1

        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                self.outputs[output] = ((layer.path, axis),)

        return hook

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if rectifies(func, args, kwargs) is not None:
            x = value(args, kwargs, 0, "input", None)
            for path, axis in self.outputs.pop(x, ()):
                self._count(path, x, axis)
            return func(*args, **kwargs)
        if func not in _PASSING and func not in _SUMS:
            return func(*args, **kwargs)
        terms = (*args[:2], *kwargs.values()) if func in _SUMS else (value(args, kwargs, 0, "input", None),)
        owners = dict.fromkeys(o for t in terms if isinstance(t, Tensor) for o in self.outputs.get(t, ()))
        output = func(*args, **kwargs)
        if owners and isinstance(output, Tensor):
            self.outputs[output] = tuple(owners)
        return output

    def _count(self, path: str, x: Tensor, axis: int) -> None:
        """Adds where a layer's units fire in a batch, before a rectifier may overwrite it."""
        on = (x > 0).movedim(axis, 1).flatten(2) if x.ndim > 2 else (x > 0)[:, :, None]
        self.bad = self.bad or bool(x.isnan().any())
        self.fired[path] = self.fired.get(path, 0) + on.sum((0, 2))
        self._here[path] = self._here.get(path, False) | on.any(2)
        self.places[path] = self.places.get(path, 0) + on.shape[0] * on.shape[2]

    def end_pass(self, images: int) -> None:
        """Counts the images in which units fired: once, however often their layer was called."""
        self.images += images
        for path, mask in self._here.items():
            self.reached[path] = self.reached.get(path, 0) + mask.sum(0)
        self._here.clear()

    def of(self, path: str) -> Firings:
        """What was counted of a layer."""
        fired, reached = self.fired[path].double().cpu(), self.reached[path].double().cpu()
        return Firings(self.images, self.places[path], fired / self.places[path], reached / self.images)


def _where(mask: Tensor) -> tuple[int, ...]:
    return tuple(mask.nonzero().flatten().tolist())
