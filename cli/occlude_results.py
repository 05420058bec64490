"""What ``deconvviz occlude`` leaves behind for one photograph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from deconvviz.data.images import Photo
from deconvviz.experiments.occlusion import Occlusion
from deconvviz.experiments.squares import covered, fill_image
from deconvviz.figures import occlusion_figure, save_figure
from deconvviz.figures.canvas import cut
from deconvviz.figures.class_map import class_map
from deconvviz.figures.occlusion import value_cells, value_ends
from deconvviz.figures.parts import save_tile
from deconvviz.figures.places import places_tile
from deconvviz.models.classes import class_title
from deconvviz.runs import short_form, write_arrays, write_json
from deconvviz.tiles import Bytes, photo_tile

from .occlude_others import Shown
from .session import Session

_FILLS = {"grey": "mid-grey", "mean": "the mean colour", "noise": "noise", "blur": "the blurred image"}


@dataclass(frozen=True)
class OcclusionResults:
    """One photograph with a square at each place, and all that is said about it.

    Attributes:
        session: the network and its facts.
        photo: the photograph.
        batch: (1, 3, H, W), the photograph as the network saw it.
        found: what was lost at each place.
        shown: the map in this photograph, then in others.
        asked: the target as it was given.
        fill: what covered pixels became.
    """

    session: Session
    photo: Photo
    batch: Tensor
    found: Occlusion
    shown: Sequence[Shown]
    asked: str
    fill: str

    def figure(self, path: Path) -> Path:
        """Draws and writes the figure."""
        network, found = self.session.network, self.found
        name = self._names[found.target]
        drawn = occlusion_figure(
            network.pixels(self.batch)[0],
            self._example,
            found,
            self._names,
            [shown.firing for shown in self.shown],
            title=f"{self.photo.name}: what is left of {cut(name, 40)} when a part is covered",
            fill=_FILLS[self.fill],
            caption=f"{network.name}, weights {network.origin.label}",
        )
        return save_figure(drawn, path, self._short_form)

    def arrays(self, path: Path) -> Path:
        """Writes the numbers: of each place, and as ``whole_...`` of the uncovered image."""
        found = self.found
        grids = ("boxes", "activity", "score", "probability", "top_class")
        return write_arrays(
            path,
            input=self.batch[0].cpu().numpy(),
            **{name: getattr(found, name).numpy() for name in grids},
            target=found.target,
            layer=found.layer,
            channel=found.channel,
            **{f"whole_{name}": value for name, value in asdict(found.whole).items()},
        )

    def parts(self, folder: Path) -> list[Path]:
        """Writes the input, the three maps, and each patch and projection as pictures of their own."""
        found = self.found
        image = photo_tile(self.session.network.pixels(self.batch)[0].cpu().numpy())
        maps: dict[str, Bytes] = {}
        for name in ("activity", "probability"):
            values = getattr(found, name).float().numpy()
            maps[name] = value_cells(values, *value_ends(values, getattr(found.whole, name)))
        maps["classes"] = class_map(found.top_class, keep=(found.target, found.whole.top_class)).cells
        tiles = {"input": image, "covered": photo_tile(self._example.cpu().numpy())}
        tiles |= {name: places_tile(image, cells, found.boxes) for name, cells in maps.items()}
        for k, shown in enumerate(self.shown):
            unit = f"unit_{found.channel:04d}" + (f"_other_{k}" if k else "")
            tiles |= {f"{unit}_patch": shown.firing.patch, f"{unit}_projection": shown.firing.projection}
        return [save_tile(tile, folder / f"{name}.png", self._short_form) for name, tile in tiles.items()]

    def manifest(self, path: Path) -> Path:
        """Writes what made the result."""
        found, names = self.found, self._names
        whole = {**asdict(found.whole), "class": names[found.whole.top_class]}
        numbers, counts = np.unique(found.top_class.numpy(), return_counts=True)
        classes = sorted(zip(counts.tolist(), numbers.tolist(), strict=True), reverse=True)
        rows, columns = found.probability.shape
        told = {
            "asked": self.asked,
            "target": found.target,
            "class": names[found.target],
            "unit": found.channel,
            "size": found.size,
            "stride": found.stride,
            "fill": self.fill,
            "places": {"rows": rows, "columns": columns},
            "whole": whole,
            "lowest": {name: self._lowest(name) for name in ("activity", "score", "probability")},
            "top_classes": [
                {"target": number, "class": names[number], "share": count / (rows * columns)}
                for count, number in classes
            ],
            "strongest_places": [shown.facts for shown in self.shown],
        }
        return write_json(path, {**self._facts, **told})

    def _lowest(self, name: str) -> dict[str, Any]:
        """Where the square takes most of something, what is left there, and how much less it is."""
        values: Tensor = getattr(self.found, name)
        row, column = divmod(int(values.argmin()), values.shape[1])
        value = values[row, column].item()
        drop = getattr(self.found.whole, name) - value
        box = self.found.boxes[row, column].tolist()
        return {"value": value, "drop": drop, "row": row, "column": column, "box": box}

    @cached_property
    def _example(self) -> Tensor:
        """(3, H, W) in [0, 1]: the photograph with the square at its first place."""
        network, seed = self.session.network, self.session.facts["seed"]
        fill = fill_image(network, self.batch, self.fill, seed)
        top, left, height, width = self.found.boxes[0, 0].tolist()
        return network.pixels(covered(self.batch, fill, (top, left, height, width)))[0]

    @cached_property
    def _facts(self) -> dict[str, Any]:
        return self.session.manifest_of(self.photo, self.found.layer)

    @cached_property
    def _short_form(self) -> dict[str, str]:
        return short_form(self._facts)

    @cached_property
    def _names(self) -> dict[int, str]:
        there = {self.found.target, self.found.whole.top_class, *self.found.top_class.flatten().tolist()}
        return {number: class_title(self.session.network, number) for number in there}
