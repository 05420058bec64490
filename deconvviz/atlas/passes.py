"""Forward passes of a scan: a batch of pictures in, small numbers out.

Every thread has a replica of the network that shares its weights, so that the user's own module gets no
hook, and nothing that a module keeps of a pass is another thread's.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ImageError, ModelError
from ..models import Network, leaves
from ..models.features import taken_from
from ..models.numbers import blamed
from ..models.precision import full_precision
from ..training.batches import on_device
from .images import ImageList
from .reducing import Bar, Ints, Reduced, reduced
from .strongest import NO_IMAGE


class Stopped(BaseException):
    """Ends a worker's pass when the scan ends early; not an Exception, so that no forward catches it."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures as a network sees them.

    Attributes:
        number: which batch of the scan.
        pixels: (N, 3, S, S), zeros where there is no picture.
        images: (N,) their numbers in the list; `NO_IMAGE` where there is no picture.
        problems: why, by number.
    """

    number: int
    pixels: Tensor
    images: Ints
    problems: Mapping[int, str]


@dataclass(frozen=True, eq=False)
class Pass:
    """What is kept of one batch.

    Attributes:
        number: which batch of the scan.
        images: how many could be read.
        layers: by layer's name; empty where none could be read.
        problems: the images that could not be read, by number, and why.
    """

    number: int
    images: int
    layers: Mapping[str, Reduced]
    problems: Mapping[int, str]


def decoded(
    network: Network, images: ImageList, number: int, rows: Sequence[int], size: int, stop: threading.Event
) -> Batch:
    """The pictures of one batch.

    Args:
        network: which they are made for.
        images: the list.
        number: of the batch.
        rows: the pictures' numbers.
        size: how many the batch has; what is too many are zeros.
        stop: ends it early.
    """
    side = network.input_size
    pixels = torch.zeros(size, 3, side, side).to(memory_format=torch.channels_last)
    numbers, problems = np.full(size, NO_IMAGE, np.int64), {}
    for slot, i in enumerate(rows):
        if stop.is_set():
            raise Stopped
        try:
            pixels[slot] = network.see(images.picture(i))[0]
            numbers[slot] = i
        except ImageError as error:
            problems[i] = str(error)
    return Batch(number, pixels, numbers, problems)


class Runner:
    """Runs batches through a network.

    Args:
        network: whose layers they are.
        module: a replica of its module, for nobody else; or the module, which gets no hooks that stay.
        paths: the layers' names and module paths.
        per_image: how many places of one image a unit may keep.
        stop: ends a pass early, at the next module.
    """

    def __init__(
        self,
        network: Network,
        module: nn.Module,
        paths: Mapping[str, str],
        per_image: int,
        stop: threading.Event,
    ) -> None:
        self._network, self._module, self._paths = network, module, paths
        self._per_image, self._stop = per_image, stop
        for _, leaf in leaves(module) if module is not network.module else ():
            leaf.register_forward_pre_hook(self._look_up)
        self._device, self._dtype = device_of(module), _weight(module).dtype

    def _look_up(self, _module: nn.Module, _args: Any) -> None:
        if self._stop.is_set():
            raise Stopped

    def run(self, batch: Batch, bars: Mapping[str, Bar]) -> Pass:
        """One pass.

        Args:
            batch: the pictures.
            bars: what candidates of each layer have to pass, where that is known.

        Raises:
            ModelError: the network does not take the pictures, or its activations are no numbers or too
                large.
            LayerError: the pass does not reach a layer, or it has no units.
            WeightsError: the weights hold values that are no numbers.
        """
        found: dict[str, Reduced] = {}
        if (batch.images != NO_IMAGE).any():

            def take(layer: str, features: Tensor) -> Reduced:
                return reduced(features, batch.images, bars.get(layer), self._per_image)

            with torch.inference_mode(), full_precision(self._device):
                pixels = on_device(batch.pixels, self._device).to(self._dtype)
                try:
                    found = taken_from(self._module, pixels, self._paths, take)
                except torch.OutOfMemoryError:
                    raise  # which says what to do
                except RuntimeError as error:
                    size, why = tuple(pixels.shape), str(error).splitlines()[0]
                    raise ModelError(f"{self._network.name} does not take images of {size}: {why}") from error
            if not all(one.finite for one in found.values()):
                raise blamed(batch.pixels, leaves(self._network.module))
        read = int((batch.images != NO_IMAGE).sum())
        return Pass(batch.number, read, found, batch.problems)


def replica(module: nn.Module, precision: torch.dtype | None = None) -> nn.Module:
    """A copy that shares all parameters and buffers.

    Args:
        module: the network.
        precision: what they are cast to, and then not shared; None for as they are.

    Raises:
        ModelError: the module cannot be copied.
    """
    shared = {id(t): _cast(t, precision) for t in (*module.parameters(), *module.buffers())}
    try:
        return copy.deepcopy(module, shared)
    except (TypeError, RuntimeError, NotImplementedError) as error:
        why = str(error).splitlines()[0]
        raise ModelError(f"the network cannot be copied for each thread by copy.deepcopy: {why}") from error


def _cast(values: Tensor, precision: torch.dtype | None) -> Tensor:
    if precision is None or not values.is_floating_point():
        return values
    cast = values.detach().to(precision)
    return nn.Parameter(cast, requires_grad=False) if isinstance(values, nn.Parameter) else cast


def device_of(module: nn.Module) -> torch.device:
    """Where a network computes."""
    return _weight(module).device


def _weight(module: nn.Module) -> Tensor:
    """One that has values: files without the last layers leave those without."""
    weights = (*module.parameters(), *module.buffers())
    return next((t for t in weights if t.is_floating_point() and not t.is_meta), torch.empty(0))
