"""How the projections of a layer are computed: inside windows where that saves work, else on whole maps.

Three engines give the same numbers. The windowed one runs forward and mirror in each unit's window only; the
mirror of whole passes serves layers whose windows are as large as the image, and vectors; automatic
differentiation serves networks that are no chains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..deconvnet import ContrastNormalisation, Rules, Unit, project_trace, record
from ..deconvnet.projection import seeds
from ..deconvnet.units import activations_of, placed
from ..deconvnet.windowed import WindowedPass, windowed_pass
from ..errors import ModelError
from ..gradients.descent import descend
from ..gradients.fields import seen_by
from ..gradients.projection import has_mirror
from ..models import Network
from .passes import device_of

Box = tuple[int, int, int, int]
_BATCH_BYTES = 48 * 2**20
"""How large the widest maps of a batch may get: beyond that the processor waits for memory."""


@dataclass(frozen=True)
class Tiles:
    """The projections of K units of a layer, each inside its uncut receptive window.

    Attributes:
        pixels: (K, 3, h, w), signed; zero beyond the image.
        activations: (K) computed anew.
        fields: (K) top, left, height, width of each tile in the image; may hang over its edge.
    """

    pixels: Tensor
    activations: Tensor
    fields: Sequence[Box]


@dataclass(frozen=True)
class Engine:
    """How the units of one layer are projected.

    Attributes:
        name: ``windowed``, ``mirror`` or ``autograd``.
        size: (h, w) of a tile: the layer's receptive window before clipping, at most the whole image.
        project: takes N images, (3, H, W) each, and units with their places and images to their tiles.
        batch: how many units at most are projected together.
        threads: whether several threads may call it at once.
    """

    name: str
    size: tuple[int, int]
    project: Callable[[Sequence[Tensor], Sequence[Unit]], Tiles]
    batch: int
    threads: bool


def engine_of(
    network: Network, layer: str, shape: tuple[int, tuple[int, int] | None], rules: Rules, batch_size: int
) -> Engine:
    """The fastest engine that serves a layer.

    Args:
        network: on its device.
        layer: its name.
        shape: how many units the atlas has there, and the height and width of their maps.
        rules: rectification, unpooling and treatment of contrast normalisation.
        batch_size: how many units at most are projected together.

    Raises:
        ModelError: the network's layer is not of this shape.
        DeconvvizError: see `record`.
    """
    side = network.input_size, network.input_size
    noise = torch.randn(1, 3, *side, generator=torch.Generator().manual_seed(0)).to(device_of(network.module))
    trace = record(network, noise, [layer], masks=rules.rectification.masks)
    _, units, *size = trace.features(layer).shape
    if (units, tuple(size) or None) != (shape[0], tuple(shape[1]) if shape[1] else None):
        maps = " x ".join(map(str, size)) or "no maps"
        raise ModelError(
            f"{layer} of {network.name} has {units} units ({maps}) where the atlas has {shape[0]}: it is of "
            "another network, or of another input size"
        )
    inside = windowed_pass(network, layer, side) if size else None
    if inside is not None:
        most = max(1, _BATCH_BYTES // (4 * inside.cells()))
        return Engine("windowed", inside.size, _windowed(inside, rules), min(batch_size, most), threads=True)
    widest = max((r.output_shape[1:].numel() for r in trace), default=1)
    most = max(1, min(batch_size, _BATCH_BYTES // (4 * widest)))
    chain = has_mirror(trace, layer, rules)
    whole = _mirrored if chain else _differentiated
    corners: list[tuple[int | None, int | None]] = [(None, None)] * 2
    if size:
        corners = [(0, 0), (min(1, size[0] - 1), min(1, size[1] - 1))]
    _, uncut = seen_by(network, layer, noise.shape, trace.features(layer).shape, corners)
    fields = _Fields(uncut.tolist(), side)
    return Engine(
        "mirror" if chain else "autograd",
        fields.size,
        lambda images, units: _on_whole_maps(network, images, units, rules, most, whole, fields),
        4 * batch_size,  # more of them share an image
        threads=False,  # hooks and flags are set on the one network
    )


class _Fields:
    """The receptive windows of a layer's units, from those of the first and of its diagonal neighbour."""

    def __init__(self, ends: Sequence[Sequence[int]], side: tuple[int, int]) -> None:
        (*self.begin, height, width), beyond = ends[0], ends[1]
        self.step = [beyond[axis] - self.begin[axis] for axis in (0, 1)]
        if height >= side[0] and width >= side[1]:
            self.begin, self.step, height, width = [0, 0], [0, 0], *side
        self.size = height, width

    def of(self, unit: Unit) -> Box:
        """Of one: top, left, height, width."""
        top, left = (
            b + s * (i or 0) for b, s, i in zip(self.begin, self.step, (unit.row, unit.column), strict=True)
        )
        return top, left, *self.size


def _windowed(inside: WindowedPass, rules: Rules) -> Callable[[Sequence[Tensor], Sequence[Unit]], Tiles]:
    def project(images: Sequence[Tensor], units: Sequence[Unit]) -> Tiles:
        found = inside.project(images, units, rules=rules)
        corners = zip(found.fields.tops, found.fields.lefts, strict=True)
        return Tiles(found.pixels, found.activations, [(*corner, *inside.size) for corner in corners])

    return project


def _mirrored(network: Network, images: Tensor, units: Sequence[Unit], rules: Rules) -> tuple[Tensor, Tensor]:
    """Pixels and activations by the mirror of one pass."""
    exact_lrn = rules.lrn is ContrastNormalisation.TRANSPOSE
    trace = record(network, images, [units[0].layer], masks=rules.rectification.masks, inputs=exact_lrn)
    found = project_trace(trace, units, rules=rules)
    return found.pixels, found.activations


def _differentiated(
    network: Network, images: Tensor, units: Sequence[Unit], rules: Rules
) -> tuple[Tensor, Tensor]:
    """The same by automatic differentiation: `project_by_autograd` without its search for windows."""
    layer = units[0].layer
    descent = descend(network, images, [layer], rules)
    features = descent.features[layer]
    chosen = placed(units, features)
    signal, windows = seeds(chosen, features, "activation", "strongest")
    whole = windows.paste(signal) if features.ndim == 4 else signal
    pixels = whole.new_zeros((len(chosen), *images.shape[1:]))
    turns: list[dict[int, int]] = []  # each time one unit of every image
    for k, unit in enumerate(chosen):
        turn = next((turn for turn in turns if unit.image not in turn), None)
        if turn is None:
            turns.append(turn := {})
        turn[unit.image] = k
    for turn in turns:
        together = torch.zeros_like(features)
        together[list(turn)] = whole[list(turn.values())]
        pixels[list(turn.values())] = descent.pixels(layer, together)[list(turn)]
    return pixels, activations_of(chosen, features)


def _on_whole_maps(
    network: Network,
    images: Sequence[Tensor],
    units: Sequence[Unit],
    rules: Rules,
    together: int,
    whole: Callable[[Network, Tensor, Sequence[Unit], Rules], tuple[Tensor, Tensor]],
    fields: _Fields,
) -> Tiles:
    """Passes of a few images each, and all their units' projections, cut to the units' windows."""
    shown = sorted({unit.image for unit in units})
    found: dict[int, tuple[Tensor, Tensor]] = {}
    for first in range(0, len(shown), together):
        batch = {image: i for i, image in enumerate(shown[first : first + together])}
        chosen = [k for k, unit in enumerate(units) if unit.image in batch]
        seen = torch.stack([images[i] for i in batch]).to(device_of(network.module))
        own = [replace(units[k], image=batch[units[k].image]) for k in chosen]
        for k, pixels, activation in zip(chosen, *whole(network, seen, own, rules), strict=True):
            found[k] = _cut(pixels, fields.of(units[k])), activation
    pixels, activations = zip(*(found[k] for k in range(len(units))), strict=True)
    return Tiles(torch.stack(pixels), torch.stack(activations), [fields.of(unit) for unit in units])


def inside(field: Box, size: Sequence[int]) -> tuple[slice, slice, int, int]:
    """The rows and columns of an image that a window covers, and where in the window they begin."""
    top, left, height, width = field
    rows = slice(max(top, 0), max(min(top + height, size[0]), max(top, 0)))
    columns = slice(max(left, 0), max(min(left + width, size[1]), max(left, 0)))
    return rows, columns, rows.start - top, columns.start - left


def _cut(pixels: Tensor, field: Box) -> Tensor:
    """(3, H, W) to the (3, h, w) of a window, zero beyond the image."""
    cut = pixels.new_zeros((len(pixels), *field[2:]))
    rows, columns, top, left = inside(field, pixels.shape[1:])
    part = pixels[:, rows, columns]
    cut[:, top : top + part.shape[1], left : left + part.shape[2]] = part
    return cut
