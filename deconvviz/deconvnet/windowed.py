"""Forward pass and mirror inside the windows of chosen units only, for many images in one batch.

    inside = windowed_pass(network, "conv5", image_size=(224, 224))
    found = inside.project(images, [Unit("conv5", 7, row=3, column=9, image=0), ...])
    found.pixels           # (K, 3, 163, 163): each projection inside its receptive window
    found.activations      # (K) what the network gives there, computed anew

A unit depends on its receptive window alone, and its projection reaches no further. So where one unit an
image is wanted (the strongest activations over a data set), the forward pass is run on that part of each
image too: crops of equal size, hanging over the edge where they must, layer by layer without padding and
with all that is not on the true map cleared away after each. The numbers are those of `project`.

Where it does not apply: vectors, adaptive pools and other layers whose window is the whole map, layers that
`window_layers` does not know, and networks that are no chains; `windowed_pass` gives None for those, and
where windows are as large as the image, which leaves nothing to save.

Source: Zeiler & Fergus 2013, sec. 2.1 and 4 (top activations over a data set).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ..errors import ChainError, ModelError, UnitError
from ..models import Network
from ..models.network import split
from .mirrored import map_size
from .mirroring import mirror
from .recording import record
from .rules import ContrastNormalisation, Rules
from .trace import Record
from .units import Unit
from .window_layers import Beyond, InWindow, in_window, pair
from .windows import Pair, Windows


@dataclass(frozen=True)
class WindowedProjection:
    """What the mirrored network makes of K units, inside their windows.

    Attributes:
        pixels: (K, 3, h, w) in the network's input space, signed; zero beyond the image.
        activations: (K) the units' values, computed anew.
        fields: the receptive windows: where in which image the K tiles lie, some hanging over its edge.
    """

    pixels: Tensor
    activations: Tensor
    fields: Windows


class WindowedPass:
    """The layers up to one layer, ready to be run inside the windows of its units.

    Attributes:
        layer: its name.
        channels: how many feature maps it has.
        map_size: (H, W) of them.
        image_size: (H, W) of the images.
        size: (h, w) of a receptive window before clipping, in pixels.
    """

    def __init__(self, layer: str, records: Sequence[Record], image_size: Pair) -> None:
        """A pass of these layers.

        Args:
            layer: the last one's name.
            records: of a pass through a chain, the first call first; at least one.
            image_size: (H, W) of the images.
        """
        self.layer, self._records, self.image_size = layer, records, image_size
        weights = (p for step in records for p in step.module.parameters())
        self._device = next((p.device for p in weights), torch.device("cpu"))
        _, self.channels, *size = records[-1].output_shape
        self.map_size = size[0], size[1]
        self.size = self._windows([(0, 0)], [0])[-1].size

    def cells(self) -> int:
        """How many numbers the widest map of one unit has, in its window: what a batch's size is made of."""
        windows = self._windows([(0, 0)], [0])
        channels = [self.channels, *(r.input_shape[1] for r in reversed(self._records))]
        return max(c * w.size[0] * w.size[1] for c, w in zip(channels, windows, strict=True))

    def project(
        self,
        images: Sequence[Tensor] | Tensor,
        units: Sequence[Unit],
        *,
        rules: Rules = Rules(),  # noqa: B008  # frozen
        seed: Literal["activation", "one"] = "activation",
    ) -> WindowedProjection:
        """Runs forward and mirror inside the windows of units of some images, all in one batch.

        May be called by several threads at once.

        Args:
            images: N images, each (3, H, W), normalised as the network expects.
            units: units of the layer, each with its place and its image.
            rules: rectification, unpooling and treatment of contrast normalisation.
            seed: as in `project_trace`.

        Raises:
            UnitError: no units, or one that does not exist.
            ModelError: an image is not of the size that the pass is for.
        """
        places = [self._place(unit, len(images)) for unit in units]
        if not units:
            raise UnitError("no units to project")
        windows = self._windows(places, [unit.image for unit in units])
        beyond = [Beyond.of(level) for level in windows]
        net = nn.Sequential(*(in_window(step.module) for step in self._records))
        for level, module in enumerate(reversed(net)):
            if isinstance(module, InWindow):
                module.above, module.below = beyond[level], beyond[level + 1]
        last = str(len(net) - 1)
        exact_lrn = rules.lrn is ContrastNormalisation.TRANSPOSE
        crops = self._crops(images, windows[-1])
        if crops.device.type == "cpu":
            crops = crops.contiguous(memory_format=torch.channels_last)  # a fifth faster
        trace = record(net, crops, [last], masks=rules.rectification.masks, inputs=exact_lrn)
        own = torch.arange(len(units)), torch.tensor([unit.channel for unit in units])
        activations = trace.features(last)[..., 0, 0][own]
        signal = torch.zeros_like(trace.features(last), memory_format=torch.contiguous_format)
        signal[(*own, 0, 0)] = activations if seed == "activation" else 1.0
        with torch.no_grad():
            pixels = mirror(trace, last, rules)(signal, tuple(range(len(units))))
        return WindowedProjection(pixels, activations, windows[-1])

    def _place(self, unit: Unit, images: int) -> Pair:
        rows, columns = self.map_size
        if unit.row is None or unit.column is None:
            raise UnitError(
                f"unit {unit.channel} of {self.layer} has no place; inside a window one is needed"
            )
        there = 0 <= unit.row < rows and 0 <= unit.column < columns
        if not there or not 0 <= unit.channel < self.channels or not 0 <= unit.image < images:
            raise UnitError(
                f"no unit {unit.channel} at ({unit.row}, {unit.column}) of image {unit.image}: {self.layer} "
                f"has {self.channels} maps of {rows} x {columns}, of {images} images"
            )
        return unit.row, unit.column

    def _crops(self, images: Sequence[Tensor] | Tensor, windows: Windows) -> Tensor:
        """(K, 3, h, w): the windows of the images, zero beyond them, where the network is."""
        for image in images:
            if tuple(image.shape[-2:]) != self.image_size:
                raise ModelError(f"an image of {tuple(image.shape[-2:])} came, not of {self.image_size}")
        crops = images[0].new_zeros((len(windows), len(images[0]), *windows.size))
        for crop, image, *corner in zip(crops, windows.images, windows.tops, windows.lefts, strict=True):
            here, there = zip(*map(_shared, corner, windows.size, self.image_size), strict=True)
            crop[:, *here] = images[image][:, *there]
        return crops.to(self._device)

    def _windows(self, places: Sequence[Pair], images: Sequence[int]) -> list[Windows]:
        """Those at the layer and below each of its layers in turn, down to the pixels."""
        tops, lefts = zip(*places, strict=True)
        windows = [Windows(tuple(images), tops, lefts, (1, 1), self.map_size, snap=False)]
        for step in reversed(self._records):
            windows.append(_below(windows[-1], step))
        return windows


def windowed_pass(model: nn.Module | Network, layer: str, image_size: Pair) -> WindowedPass | None:
    """A pass inside the windows of a layer's units; None where it does not apply, see above.

    Args:
        model: a `Network`, or any module; it is run once, on noise, and left as it was.
        layer: name or dotted path.
        image_size: (H, W) of the images that it will be given.

    Raises:
        DeconvvizError: see `record`.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        >>> windowed_pass(net, "1", (8, 8)).size
        (3, 3)
    """
    parameter = next((p for p in split(model)[0].parameters() if not p.is_meta), torch.zeros(1))
    noise = torch.randn(1, 3, *image_size, generator=torch.Generator().manual_seed(0), dtype=parameter.dtype)
    trace = record(model, noise.to(parameter.device), [layer], masks=False, inputs=False)
    records = trace.down_from(layer)[::-1]
    try:
        for step in records:
            in_window(step.module)
    except ChainError:
        return None
    if not records or any(step.broken for step in records):
        return None
    inside = WindowedPass(layer, records, image_size)
    saves = inside.size[0] < image_size[0] or inside.size[1] < image_size[1]
    return inside if saves else None


def _shared(start: int, size: int, limit: int) -> tuple[slice, slice]:
    """The rows of a window that lie on the map, counted from the window's first and from the map's."""
    first, last = max(start, 0), max(min(start + size, limit), max(start, 0))
    return slice(first - start, last - start), slice(first, last)


def _below(windows: Windows, step: Record) -> Windows:
    """The windows at a layer's input."""
    module = step.module
    if not isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return windows
    kernel, stride, padding, dilation = (
        pair(v)
        for v in (
            module.kernel_size,
            module.stride or module.kernel_size,
            module.padding,
            getattr(module, "dilation", 1),
        )
    )
    return windows.natural(kernel, stride, padding, dilation, map_size(step.input_shape))
