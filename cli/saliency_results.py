"""What ``deconvviz saliency`` leaves behind for one photograph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from deconvviz.data.images import Photo
from deconvviz.deconvnet import Rectification
from deconvviz.figures import saliency_figure, save_figure
from deconvviz.figures.heat import heat_scale, heat_tile, overlay_tile
from deconvviz.figures.parts import save_tile
from deconvviz.gradients.saliency import Saliency
from deconvviz.models.classes import class_title
from deconvviz.runs import short_form, write_arrays, write_json
from deconvviz.tiles import photo_tile
from deconvviz.training.predicting import Prediction

from .session import Session


@dataclass(frozen=True)
class SaliencyResults:
    """Saliency of some classes in one photograph, and all that is said about it.

    Attributes:
        session: the network and its facts.
        photo: the photograph.
        batch: (1, 3, H, W), the photograph as the network saw it.
        found: of T classes.
        predicted: the three most probable classes.
        asked: the T targets as they were given.
        rule: of the rectifiers.
    """

    session: Session
    photo: Photo
    batch: Tensor
    found: Saliency
    predicted: Prediction
    asked: tuple[str, ...]
    rule: Rectification

    def figure(self, path: Path) -> Path:
        """Draws and writes the figure."""
        network = self.session.network
        what = self._names[0] if len(self._names) == 1 else f"{len(self._names)} classes"
        drawn = saliency_figure(
            network.pixels(self.batch)[0],
            self.found,
            self._names,
            title=f"{self.photo.name}: saliency for {what}",
            rule=self.rule,
            caption=f"{network.name}, weights {network.origin.label}, {self.rule.value} rule",
            taken_for=["taken for:", *(f"{100 * p:.0f} % {name}" for name, p in self._predictions)],
        )
        return save_figure(drawn, path, self._short_form)

    def arrays(self, path: Path) -> Path:
        """Writes the numbers; of several targets each array but the input has a leading axis."""
        several = {
            "saliency": self.found.maps.float().cpu().numpy(),
            "pixels": self.found.pixels.float().cpu().numpy(),
            "target": np.array(self.found.targets, dtype=np.int64),
            "score": self.found.scores.float().cpu().numpy(),
            "probability": self.found.probabilities.float().cpu().numpy(),
        }
        told = several if len(self.asked) > 1 else {name: values[0] for name, values in several.items()}
        return write_arrays(path, input=self.batch[0].cpu().numpy(), **told)

    def parts(self, folder: Path) -> list[Path]:
        """Writes the input, and each class's heat map and overlay, as pictures of their own."""
        image = photo_tile(self.session.network.pixels(self.batch)[0].cpu().numpy())
        tiles = {"input.png": image}
        for target, values in zip(self.found.targets, self.found.maps, strict=True):
            heat = values.float().cpu().numpy()
            top = heat_scale(heat)
            tiles[f"class_{target:04d}_heat.png"] = heat_tile(heat, top)
            tiles[f"class_{target:04d}_overlay.png"] = overlay_tile(image, heat, top)
        return [save_tile(tile, folder / name, self._short_form) for name, tile in tiles.items()]

    def manifest(self, path: Path) -> Path:
        """Writes what made the result."""
        found = self.found
        rows = zip(
            self.asked,
            found.targets,
            self._names,
            found.scores.tolist(),
            found.probabilities.tolist(),
            found.maps.float().cpu().numpy(),
            strict=True,
        )
        targets = [
            {
                "asked": asked,
                "target": target,
                "class": name,
                "score": score,
                "probability": probability,
                "scale": heat_scale(heat),
            }
            for asked, target, name, score, probability, heat in rows
        ]
        predictions = [{"class": name, "probability": p} for name, p in self._predictions]
        return write_json(
            path, {**self._facts, "rule": self.rule.value, "predictions": predictions, "targets": targets}
        )

    @cached_property
    def _facts(self) -> dict[str, Any]:
        return self.session.manifest_of(self.photo)

    @cached_property
    def _short_form(self) -> dict[str, str]:
        return short_form(self._facts)

    @cached_property
    def _names(self) -> list[str]:
        return [class_title(self.session.network, target) for target in self.found.targets]

    @property
    def _predictions(self) -> list[tuple[str, float]]:
        titles = [class_title(self.session.network, number) for number in self.predicted.classes]
        return list(zip(titles, self.predicted.probabilities, strict=True))
