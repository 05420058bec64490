"""Project chosen activations back to pixels.

    trace = record(network, images, ["conv5"])
    projection = project_trace(trace, strongest(trace, "conv5", 9))
    projection.pixels          # (9, 3, 224, 224): what in the image made each unit fire

All activations of the layer but one are set to zero, and the mirrored network takes that one down to the
pixels. The result is signed and lives in the network's (normalised) input space; it depends on the image
through the switches, so it shows the structure in *this* image that excites the unit; it is not a sample
of what the unit likes, and says little about classes.

Only the unit's receptive window is computed; the numbers are those of the full mirror.

Source: Zeiler & Fergus 2013, sec. 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from ..errors import UnitError
from ..models import Network
from .mirrored import map_size
from .mirroring import Mirror, mirror
from .recording import record
from .rules import Rules
from .trace import Trace
from .units import Unit, activations_of, placed, strongest_units
from .windows import Windows

BATCH_BYTES = 8 * 2**20
"""How large a batch's signal may grow at one layer before its units go on one by one."""

# Signals of a few megabytes come and go at every layer. glibc hands such memory back to the system at once
# and then waits for every page of it again, a fifth of a projection's time, until a block of nearly 32 MiB
# has been freed once: that raises its threshold. Elsewhere this line does nothing.
torch.empty(31 * 2**20, dtype=torch.uint8)


@dataclass(frozen=True)
class Projection:
    """What the mirrored network makes of K units.

    Attributes:
        pixels: (K, 3, H, W) in the network's input space, signed; zero outside the window.
        units: the K units, each with its place.
        activations: (K) their values; for a whole map or layer its largest.
        windows: (K, 4) top, left, height, width of each receptive window in pixels, clipped to the image.
        uncut: (K, 4) the same before clipping: all of one size, some hanging over the image's edge.
        source: ``strongest``, ``map`` or ``layer``: what was projected, one activation, a unit's whole
            feature map, or all of the layer's.
    """

    pixels: Tensor
    units: tuple[Unit, ...]
    activations: Tensor
    windows: Tensor
    uncut: Tensor
    source: str = "strongest"


def strongest(trace: Trace, layer: str, k: int = 9, by: str = "map") -> list[Unit]:
    """The `k` strongest units of a layer for each recorded image, strongest first.

    Args:
        trace: of a pass that kept `layer`.
        layer: its name.
        k: how many for each image.
        by: ``map`` for the strongest feature maps, each at its strongest place; ``activation`` for the
            strongest activations wherever they are, several of one map if so.

    Raises:
        UnitError: `k` is below one or above what there is.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        >>> len(strongest(record(net, torch.ones(2, 3, 8, 8), ["1"]), "1", k=3))
        6
    """
    return strongest_units(trace.features(layer), layer, k, by)


def project(
    model: nn.Module | Network,
    images: Tensor,
    units: Sequence[Unit],
    *,
    rules: Rules = Rules(),  # noqa: B008  # frozen
    seed: Literal["activation", "one"] = "activation",
    source: Literal["strongest", "map", "layer"] = "strongest",
    windowed: bool = True,
) -> Projection:
    """Records one forward pass and projects units of one layer; see `project_trace`.

    Args:
        model: a `Network`, or any chain-shaped module; it is left as it was.
        images: (N, 3, H, W), normalised as the network expects.
        units: units of one layer.
        rules: rectification, unpooling and treatment of contrast normalisation.
        seed: as in `project_trace`.
        source: as in `project_trace`.
        windowed: as in `project_trace`.

    Raises:
        DeconvvizError: see `record`, `mirror` and `project_trace`.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        >>> project(net, torch.ones(1, 3, 8, 8), [Unit("1", 0)]).pixels.shape
        torch.Size([1, 3, 8, 8])
    """
    if not units:
        raise UnitError("no units to project")
    trace = record(model, images, sorted({u.layer for u in units}), masks=rules.rectification.masks)
    return project_trace(trace, units, rules=rules, seed=seed, source=source, windowed=windowed)


def project_trace(
    trace: Trace,
    units: Sequence[Unit],
    *,
    rules: Rules = Rules(),  # noqa: B008  # frozen
    seed: Literal["activation", "one"] = "activation",
    source: Literal["strongest", "map", "layer"] = "strongest",
    windowed: bool = True,
) -> Projection:
    """Projects units of one layer of a recorded pass to pixels.

    Args:
        trace: of a pass that kept the layer.
        units: units of one layer; one without a place means its map's strongest place.
        rules: rectification, unpooling and treatment of contrast normalisation.
        seed: ``activation`` starts from the activation's own value, as the paper does; ``one`` from 1. The
            mirror is positively homogeneous, so this only scales, but for a negative value (an fc8 score):
            there the sign matters, and ``activation`` follows what *lowers* the score.
        source: ``strongest`` starts from one activation; ``map`` from the unit's whole feature map; ``layer``
            from all of the layer's, where the unit only says of which image.
        windowed: compute inside the receptive window only; the result is the same.

    Raises:
        UnitError: no units, units of several layers, or a unit or place that does not exist.
        ChainError: the network has no mirror below the layer.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        >>> trace = record(net, torch.ones(1, 3, 8, 8), ["1"])
        >>> project_trace(trace, [Unit("1", channel=0, row=5, column=5)]).windows
        tensor([[5, 5, 3, 3]])
    """
    layers = sorted({u.layer for u in units})
    if len(layers) != 1:
        raise UnitError(f"units of one layer are projected together; got {', '.join(layers) or 'no units'}")
    features = trace.features(layers[0])
    chosen = placed(units, features)
    net = mirror(trace, layers[0], rules)
    signal, windows = seeds(chosen, features, seed, source)
    with torch.no_grad():
        if windowed:
            pieces = net.descend(signal, windows, BATCH_BYTES)
        else:
            images = tuple(u.image for u in chosen)
            pixels = net(windows.paste(signal) if features.ndim == 4 else signal, images)
            pieces = [(pixels, Windows.whole(images, map_size(trace.image_shape)))]
    fields = _fields(net, windows)
    return Projection(
        pixels=_pasted(pieces, len(chosen), trace.image_shape),
        units=tuple(chosen),
        activations=activations_of(chosen, features, source),
        windows=fields.boxes(),
        uncut=torch.tensor(
            [(t, left, *fields.size) for t, left in zip(fields.tops, fields.lefts, strict=True)]
        ),
        source=source,
    )


def seeds(chosen: list[Unit], features: Tensor, seed: str, source: str) -> tuple[Tensor, Windows]:
    """The signal to start from and its windows on the layer's maps: one cell a unit, its map, or all maps."""
    k, channels = len(chosen), features.shape[1]
    images = tuple(u.image for u in chosen)
    if source == "layer":
        signal = features[list(images)]
        signal = signal if seed == "activation" else (signal != 0).to(signal)
        return signal, Windows.whole(images, map_size(features.shape))
    one_map = [features[u.image, u.channel] for u in chosen]
    if features.ndim == 2 or source == "map":
        signal = features.new_zeros((k, *features.shape[1:]))
        for i, unit in enumerate(chosen):
            ones = (one_map[i] != 0) | (source != "map")  # of a whole map, its active places
            signal[i, unit.channel] = one_map[i] if seed == "activation" else ones.to(signal)
        return signal, Windows.whole(images, map_size(features.shape))
    signal = features.new_zeros((k, channels, 1, 1))
    for i, unit in enumerate(chosen):
        row, column = unit.row or 0, unit.column or 0
        signal[i, unit.channel] = one_map[i][row, column] if seed == "activation" else 1.0
    tops, lefts = tuple(u.row or 0 for u in chosen), tuple(u.column or 0 for u in chosen)
    return signal, Windows(images, tops, lefts, (1, 1), map_size(features.shape))


def _pasted(pieces: list[tuple[Tensor, Windows]], units: int, image_shape: torch.Size) -> Tensor:
    """The pieces of a projection, in order, on images of zeros."""
    pixels = pieces[0][0].new_zeros((units, *image_shape[1:]))
    start = 0
    for piece, windows in pieces:
        windows.paste(piece, onto=pixels[start : start + len(windows)])
        start += len(windows)
    return pixels


def _fields(net: Mirror, windows: Windows) -> Windows:
    """What each unit sees of the image: the windows below them all, neither cut nor made whole maps."""
    if not windows.is_whole or windows.size == (1, 1):
        windows = replace(windows, snap=False)
    for layer in net:
        windows = layer.below(windows)
    return windows
