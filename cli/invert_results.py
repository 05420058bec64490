"""What ``deconvviz invert`` leaves behind for one photograph."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deconvviz.data.images import Photo
from deconvviz.figures import PreImages, inversion_figure, save_figure
from deconvviz.figures.parts import save_tile
from deconvviz.metrics import evenly_spaced
from deconvviz.preimage.inversion import Inversion
from deconvviz.runs import short_form, write_arrays, write_json
from deconvviz.tiles import Bytes, photo_tile

from .session import Session

_POINTS = 100  # of a curve in the manifest


@dataclass(frozen=True)
class InversionResults:
    """The pre-images of one photograph, L layers and R restarts, and all that is said about them.

    Attributes:
        session: the network and its facts.
        photo: the photograph.
        batch: (1, 3, H, W), the photograph as the network saw it.
        found: of all photographs.
        number: which of them this is.
        facts: how they were found, for the manifest.
    """

    session: Session
    photo: Photo
    batch: Tensor
    found: Inversion
    number: int
    facts: dict[str, Any]

    def figure(self, path: Path) -> Path:
        """Draws and writes the figure."""
        network = self.session.network
        rows = [
            PreImages(
                layer,
                self._tiles[i],
                **{name: self._error(name)[i].tolist() for name in ("feature_error_mv16", "psnr", "ssim")},
                curve=self._curve[:, i],
                chosen=self._chosen[i],
            )
            for i, layer in enumerate(self.found.layers)
        ]
        steps = f"{len(self._curve)} step{'s' * (len(self._curve) != 1)}"
        ended = f" ({self.found.stopped})" if self.found.stopped else ""
        seed = self.session.facts["seed"]
        drawn = inversion_figure(
            self._original,
            rows,
            title=f"{self.photo.name}: pre-images from {network.name}, preset {self.facts['preset']}",
            caption=f"{network.name}, weights {network.origin.label} · {steps}{ended}, seed {seed}",
        )
        return save_figure(drawn, path, self._short_form)

    def arrays(self, path: Path) -> Path:
        """Writes the numbers; images as the network sees them, normalised."""
        images = self.found.images[self.number].float().cpu().numpy()
        several = {"restarts": images} if images.shape[1] > 1 else {}
        return write_arrays(
            path,
            input=self.batch[0].cpu().numpy(),
            preimage=np.stack([own[chosen] for own, chosen in zip(images, self._chosen, strict=True)]),
            layer=list(self.found.layers),
            curve=self._curve,
            **several,
        )

    def parts(self, folder: Path) -> list[Path]:
        """Writes the input and every pre-image as pictures of their own."""
        tiles = {"input.png": self._original}
        for layer, own in zip(self.found.layers, self._tiles, strict=True):
            for restart, tile in enumerate(own, 1):
                tiles[f"{layer}_restart{restart}.png" if len(own) > 1 else f"{layer}.png"] = tile
        return [save_tile(tile, folder / name, self._short_form) for name, tile in tiles.items()]

    def manifest(self, path: Path) -> Path:
        """Writes what made the result, and its errors."""
        found, thinned = self.found, evenly_spaced(len(self._curve), _POINTS)
        layers = []
        for i, (layer, chosen) in enumerate(zip(found.layers, self._chosen, strict=True)):
            restarts = {name: [_known(value) for value in self._error(name)[i]] for name in found.errors}
            layers.append(
                {
                    "layer": layer,
                    "module": self.session.network.path_of(layer),
                    "chosen": chosen,
                    "errors": {name: values[chosen] for name, values in restarts.items()},
                    "restarts": restarts,
                    "curve": {
                        "step": (thinned + 1).tolist(),
                        "feature_error_mv16": [_known(value) for value in self._curve[thinned, i, chosen]],
                    },
                }
            )
        how = {
            **self.facts,
            "iterations": len(self._curve),
            "restarts": found.images.shape[2],
            "stopped": found.stopped,
            "slower": found.slower,
        }
        return write_json(path, {**self._manifest, **how, "layers": layers})

    @cached_property
    def _manifest(self) -> dict[str, Any]:
        return self.session.manifest_of(self.photo)

    @cached_property
    def _short_form(self) -> dict[str, str]:
        return short_form(self._manifest)

    @cached_property
    def _original(self) -> Bytes:
        return photo_tile(self.session.network.pixels(self.batch)[0].cpu().numpy())

    @cached_property
    def _tiles(self) -> list[list[Bytes]]:
        """By layer and restart."""
        pixels = self.session.network.pixels(self.found.images[self.number]).float().cpu().numpy()
        return [[photo_tile(one) for one in own] for own in pixels]

    @cached_property
    def _chosen(self) -> list[int]:
        chosen: list[int] = self.found.chosen[self.number].tolist()
        return chosen

    @cached_property
    def _curve(self) -> NDArray[np.float32]:
        """(T, L, R)."""
        curve: NDArray[np.float32] = self.found.curve[:, self.number].float().cpu().numpy()
        return curve

    def _error(self, name: str) -> NDArray[np.float64]:
        """(L, R)."""
        error: NDArray[np.float64] = self.found.errors[name][self.number].cpu().numpy()
        return error


def _known(value: float) -> float | None:
    """A number for JSON, which has no NaN."""
    return float(value) if math.isfinite(value) else None
