"""What ``deconvviz correspondence`` leaves behind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor

from deconvviz.data.images import Photo
from deconvviz.data.points import Point
from deconvviz.experiments.correspondence import Correspondence
from deconvviz.experiments.placing import covered_each
from deconvviz.figures import correspondence_figure, save_figure
from deconvviz.runs import short_form, write_arrays, write_json

from .session import Session


@dataclass(frozen=True)
class CorrespondenceResults:
    """How consistent parts are in some photographs, and all that is said about it.

    Attributes:
        session: the network and its facts.
        photos: N photographs.
        batch: (N, 3, H, W), the photographs as the network saw them.
        found: of the named parts and of random squares.
        points: where each named part is in the network's pixels, in each photograph.
        clicked: the same in the photographs' own pixels.
        fill: what was in the squares.
        draws: of random squares.
    """

    session: Session
    photos: Sequence[Photo]
    batch: Tensor
    found: Correspondence
    points: Mapping[str, Sequence[Point]]
    clicked: Mapping[str, Sequence[Point]]
    fill: str
    draws: int

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The table: what is known of each part at each layer."""
        return [
            {
                "part": part.name,
                "draws": len(part.boxes),
                "layers": {
                    layer: {
                        "mean": part.mean(layer),
                        "deviation": _known(part.deviation(layer)),
                        "chance": part.chance(layer),
                        "paper_sum": part.total(layer),
                    }
                    for layer in self.found.layers
                },
            }
            for part in self.found.parts
        ]

    def print_table(self) -> None:
        """Prints mean, deviation and chance, a line a part."""
        lines = [["part"], *([row["part"]] for row in self.rows)]
        for layer in self.found.layers:
            lines[0] += [layer, "±", "chance"]
            for line, row in zip(lines[1:], self.rows, strict=True):
                told = row["layers"][layer]
                values = (told["mean"], told["deviation"], told["chance"])
                line += ["-" if value is None else f"{value:.4f}" for value in values]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        for line in lines:
            cells = zip(line[1:], widths[1:], strict=True)
            click.echo("  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in cells)]))

    def figure(self, path: Path) -> Path:
        """Draws and writes the figure."""
        network, found = self.session.network, self.found
        first = [covered_each(self.batch, found.fill, part.boxes[0]) for part in found.parts]
        drawn = correspondence_figure(
            network.pixels(self.batch),
            network.pixels(torch.stack(first)),
            found,
            [Path(photo.name).stem for photo in self.photos],
            self.points,
            title=f"The same part covered in {len(self.photos)} images",
            caption=f"{network.name}, weights {network.origin.label} · squares of {found.size} of "
            f"{network.input_size} pixels, {self.fill} · {self._drawn}",
        )
        return save_figure(drawn, path, short_form(self._facts))

    def arrays(self, path: Path) -> Path:
        """Writes the distances: a row for each draw of each part, a column for each pair of images."""
        found = self.found
        counts = [len(part.boxes) for part in found.parts]
        return write_arrays(
            path,
            input=self.batch.cpu().numpy(),
            image=np.array([photo.name for photo in self.photos]),
            part=np.array([part.name for part in found.parts]).repeat(counts),
            layer=np.array(found.layers),
            pair=np.array(found.pairs, dtype=np.int64),
            box=torch.cat([part.boxes for part in found.parts]).numpy(),
            distance=self._stacked("distances"),
            chance=self._stacked("chances"),
        )

    def manifest(self, path: Path) -> Path:
        """Writes what made the result, and the table."""
        images = [
            {
                "name": photo.name,
                "sha256": photo.sha256,
                "points": {part: list(places[i]) for part, places in self.clicked.items()},
            }
            for i, photo in enumerate(self.photos)
        ]
        network, found = self.session.network, self.found
        return write_json(
            path,
            {
                **self._facts,
                "images": images,
                "layers": [
                    {
                        "layer": layer,
                        "module": network.path_of(layer),
                        "features": found.parts[0].features[layer],
                    }
                    for layer in found.layers
                ],
                "size": found.size,
                "fill": self.fill,
                "random_draws": self.draws,
                "pairs": len(found.pairs),
                "parts": self.rows,
            },
        )

    def _stacked(self, what: str) -> Any:
        """(L, draws of all parts, P) float64."""
        parts = self.found.parts
        return torch.stack(
            [torch.cat([getattr(part, what)[layer] for part in parts]) for layer in self.found.layers]
        ).numpy()

    @cached_property
    def _facts(self) -> dict[str, Any]:
        return self.session.manifest()

    @property
    def _drawn(self) -> str:
        return f"seed {self.session.facts['seed']}" if self.draws else "no random squares"


def _known(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None
