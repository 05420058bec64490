"""The same units taken down one network in every way, and how the pictures compare with the image.

Chains go down their mirror, other networks by automatic differentiation; both give the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ..deconvnet import Rules, Trace, Unit, project_trace
from ..deconvnet.projection import seeds
from ..deconvnet.units import activations_of
from ..gradients.descent import descend
from ..gradients.fields import seen_by
from ..metrics import explained, rank_correlation
from .combinations import DECONVNET, Combination

Source = Literal["strongest", "map", "layer"]
_ROUNDING = 1e-6  # of pictures in [0, 1] that were float32
MEASURES = ("explained", "detail", "correlation", "rank_correlation")


@dataclass(frozen=True)
class Ablated:
    """What one network makes of K units in each way; dictionaries by the combination's code.

    Attributes:
        units: each with its place.
        activations: (K) their values; for a whole map its largest.
        windows: (K, 4) top, left, height, width of each receptive window in pixels, clipped to the image.
        pixels: (K, 3, H, W) signed, in the network's input space; none where they were not kept.
        explained: (K,) float64, in [0, 1]; NaN where the image is of one colour in the window.
        detail: (K,) likewise, of the image's detail.
        correlation: (K,) float64 with the full deconvnet's projection; NaN without any signal.
        rank_correlation: (K,) likewise.
    """

    units: tuple[Unit, ...]
    activations: Tensor
    windows: Tensor
    pixels: dict[str, Tensor]
    explained: dict[str, Tensor]
    detail: dict[str, Tensor]
    correlation: dict[str, Tensor]
    rank_correlation: dict[str, Tensor]


@dataclass(frozen=True)
class WaysDown:
    """A network and its pass over some images.

    Attributes:
        module: the network.
        images: (N, 3, H, W), normalised as it expects.
        path: the dotted path of the layer to start from.
        trace: of the pass, where the network has a mirror; else None.
    """

    module: nn.Module
    images: Tensor
    path: str
    trace: Trace | None

    def ablated(
        self,
        units: Sequence[Unit],
        combinations: Sequence[Combination],
        source: Source,
        targets: tuple[Tensor, Tensor],
    ) -> Ablated:
        """Projects units in every way.

        Args:
            units: each with its place.
            combinations: the ways.
            source: see `ablate`.
            targets: (N, 3, H, W) each: the images, and their detail.
        """
        pixels, activations, windows = dict[str, Tensor](), torch.empty(0), torch.empty(0)
        for each in dict.fromkeys((DECONVNET, *combinations)):
            way = self._mirrored if self.trace is not None else self._differentiated
            pixels[each.code], activations, windows = way(units, each.rules, source)
        boxes = [
            (unit.image, slice(top, top + height), slice(left, left + width))
            for unit, (top, left, height, width) in zip(units, windows.tolist(), strict=True)
        ]
        codes = [each.code for each in combinations]
        found = {code: _compared(targets, pixels[code], pixels[DECONVNET.code], boxes) for code in codes}
        measured = {m: {code: found[code][i] for code in codes} for i, m in enumerate(MEASURES)}
        return Ablated(
            units=tuple(units),
            activations=activations,
            windows=windows,
            pixels={code: pixels[code] for code in codes},
            **measured,
        )

    def _mirrored(self, units: Sequence[Unit], rules: Rules, source: Source) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels, activations and windows, by the mirror."""
        assert self.trace is not None  # noqa: S101  # for the type checker
        seed: Literal["activation", "one"] = "one" if source == "strongest" else "activation"
        found = project_trace(self.trace, units, rules=rules, seed=seed, source=source)
        return found.pixels, found.activations, found.windows

    def _differentiated(
        self, units: Sequence[Unit], rules: Rules, source: Source
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The same by automatic differentiation."""
        descent = descend(self.module, self.images, [self.path], rules)
        features = descent.features[self.path]
        signal, windows = seeds(
            list(units), features, "one" if source == "strongest" else "activation", source
        )
        whole = windows.paste(signal) if features.ndim == 4 else signal
        pixels = []
        for unit, start in zip(units, whole, strict=True):
            together = torch.zeros_like(features)
            together[unit.image] = start
            pixels.append(descent.pixels(self.path, together)[unit.image])
        places = [(u.row, u.column) if source == "strongest" else (None, None) for u in units]
        clipped, _ = seen_by(self.module, self.path, self.images.shape, tuple(features.shape), places)
        values = activations_of(units, features, source)
        return torch.stack(pixels), values, clipped


def _compared(
    targets: tuple[Tensor, Tensor], pixels: Tensor, full: Tensor, boxes: Sequence[tuple[int, slice, slice]]
) -> Tensor:
    """The measures, in their order, of each unit's picture in its own window: (4, K)."""
    rows = []
    for k, (image, down, across) in enumerate(boxes):
        own, other = (pictures[k : k + 1, :, down, across].double() for pictures in (pixels, full))
        shares = [_explained(each[image : image + 1, :, down, across], own) for each in targets]
        rows.append(torch.cat([*shares, _correlation(own, other), rank_correlation(own, other)]))
    return torch.stack(rows, dim=1)


def _explained(target: Tensor, picture: Tensor) -> Tensor:
    """The share that is explained; NaN where a target differs from its mean by rounding errors alone."""
    deviations = target - target.mean((2, 3), keepdim=True)
    flat = not deviations.numel() or float(deviations.abs().max()) < _ROUNDING
    return torch.full((1,), torch.nan, dtype=torch.float64) if flat else explained(target, picture)


def _correlation(one: Tensor, other: Tensor) -> Tensor:
    """Pearson's, over all values; NaN where all of one are equal."""
    a, b = (values.flatten() - values.mean() for values in (one, other))
    return ((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt()).clamp(-1, 1)[None].cpu()
