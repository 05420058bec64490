"""The rows of one inversion: every layer, of it every image, of it every restart; the deepest layer first."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..metrics import feature_error_mv15, feature_error_mv16, mean_squared_pair_distance, psnr, ssim
from ..models import Network
from .passes import Pass
from .targets import Place, Targets, relative_errors


class Batch:
    """Which row is wanted for what.

    Attributes:
        shape: (L, N, R): layers, images, restarts.
        places: of each row's layer.
    """

    def __init__(self, targets: Targets, images: int, restarts: int) -> None:
        self.layers = targets.layers[::-1]
        self.features = targets.features
        self.shape = (len(self.layers), images, restarts)
        self.places: list[Place] = [
            targets.places[layer] for layer in self.layers for _ in range(images * restarts)
        ]

    def _of(self, layer: str, rows: slice) -> list[int]:
        """The images that a layer's rows among these are wanted for."""
        _, images, restarts = self.shape
        first = self.layers.index(layer) * images * restarts
        inside = range(max(rows.start, first), min(rows.stop, first + images * restarts))
        return [(row - first) // restarts for row in inside]

    def errors(self, run: Pass, shown: Tensor, rows: slice) -> Tensor:
        """‖Φ - Φ0‖² / ‖Φ0‖² of these rows (n), from what the network is shown of them, (n, 3, H, W)."""
        images = {layer: self._of(layer, rows) for layer in self.layers}
        found = run(shown, {layer: len(those) for layer, those in images.items()})
        return torch.cat(
            [
                relative_errors(found[layer], self.features[layer][images[layer]])
                for layer in self.layers
                if images[layer]
            ]
        )

    def seen(self, run: Pass, images: Tensor, at_once: int) -> dict[str, Tensor]:
        """What each layer sees in its own rows: (N * R, ...) by layer."""
        found: dict[str, list[Tensor]] = {layer: [] for layer in self.layers}
        with torch.no_grad():
            for first in range(0, len(images), at_once):
                rows = slice(first, min(first + at_once, len(images)))
                counts = {layer: len(self._of(layer, rows)) for layer in self.layers}
                for layer, values in run(images[rows], counts).items():
                    found[layer].append(values)
        return {layer: torch.cat(values) for layer, values in found.items()}

    def judged(
        self, network: Network, originals: Tensor | None, images: Tensor, seen: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """The errors of all rows by name, each (L * N * R) float64; without originals two of them."""
        _, count, restarts = self.shape
        mv15, mv16 = [], []
        for layer in self.layers:
            wanted = self.features[layer]
            repeated = wanted.repeat_interleave(restarts, 0)
            mv16.append(feature_error_mv16(repeated, seen[layer]))
            apart = mean_squared_pair_distance(wanted) if count > 1 else torch.nan
            mv15.append(feature_error_mv15(repeated, seen[layer], apart))
        errors = {"feature_error_mv16": torch.cat(mv16), "feature_error_mv15": torch.cat(mv15)}
        if originals is None:
            return errors
        before = network.pixels(originals).repeat_interleave(restarts, 0).repeat(len(self.layers), 1, 1, 1)
        after = network.pixels(images)
        return {**errors, "psnr": psnr(before, after), "ssim": ssim(before, after)}

    def arranged(self, rows: Tensor, layers: Sequence[str]) -> Tensor:
        """(L * N * R, ...) as (N, L, R, ...), the layers in the order given."""
        order = [self.layers.index(layer) for layer in layers]
        return rows.reshape(*self.shape, *rows.shape[1:]).transpose(0, 1)[:, order]
