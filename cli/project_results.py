"""What ``deconvviz project`` leaves behind for one photograph and layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deconvviz.data.images import Photo
from deconvviz.deconvnet import Projection
from deconvviz.figures import projection_figure, save_figure
from deconvviz.figures.parts import named_parts, save_tile
from deconvviz.runs import short_form, write_arrays, write_json

from .session import Session

_ENGINES = {"mirror": "the mirror", "autograd": "autograd"}
_CHOSEN = {"map": "strongest feature maps", "activation": "strongest activations", "unit": "chosen units"}


@dataclass(frozen=True)
class Results:
    """A projection and all that is said about it.

    Attributes:
        session: the network and its facts.
        photo: the photograph.
        batch: (1, 3, H, W), the photograph as the network saw it.
        layer: the layer's name.
        projection: of K units.
        chosen: how they were chosen: ``map``, ``activation`` or ``unit``; ``layer`` where all are projected
            together.
        settings: the command's options, `engine` being the one that served.
        maps: (H, W) of each unit where its whole feature map is to be drawn; else none.
        taken_for: the most probable classes with their probabilities, where the network tells.
    """

    session: Session
    photo: Photo
    batch: Tensor
    layer: str
    projection: Projection
    chosen: str
    settings: Mapping[str, Any]
    maps: Sequence[Tensor] = ()
    taken_for: Sequence[tuple[str, float]] = ()

    def figure(self, path: Path) -> Path:
        """Draws and writes the figure."""
        count = len(self.projection.units)
        vectors = self.projection.units[0].row is None
        what = "strongest units" if vectors and self.chosen == "map" else _CHOSEN.get(self.chosen)
        title = f"the {count} {what} of {self.layer}" if count > 1 else self.layer
        maps = ", projected from the whole map"
        whole = {"map": maps, "layer": ", the whole layer projected"}.get(self.settings["source"], "")
        network = self.session.network
        drawn = projection_figure(
            network.pixels(self.batch)[0],
            self.projection,
            title=f"{self.photo.name}: {title}{whole}",
            caption=f"{network.name}, weights {network.origin.label}, {self.settings['rule']} rule by "
            f"{_ENGINES[self.settings['engine']]}",
            names=self._class_names,
            scale=self.settings["scale"],
            maps=self.maps,
            taken_for=self._taken_for,
        )
        return save_figure(drawn, path, self._short_form)

    def arrays(self, path: Path) -> Path:
        """Writes the numbers: input, pixels, channel, row, column, activation, window; -1 is no place."""

        def whole(values: list[int | None]) -> NDArray[np.int64]:
            return np.array([-1 if value is None else value for value in values], dtype=np.int64)

        return write_arrays(
            path,
            input=self.batch[0].cpu().numpy(),
            pixels=self.projection.pixels.float().cpu().numpy(),
            channel=whole([channel for channel, _, _ in self._places]),
            row=whole([row for _, row, _ in self._places]),
            column=whole([column for _, _, column in self._places]),
            activation=self.projection.activations.float().cpu().numpy(),
            window=self.projection.windows.numpy(),
        )

    def parts(self, folder: Path) -> list[Path]:
        """Writes every patch and projection as its own picture."""
        photo = self.session.network.pixels(self.batch)[0]
        tiles = named_parts(photo, self.projection, self.settings["scale"])
        return [save_tile(tile, folder / name, self._short_form) for name, tile in tiles]

    def manifest(self, path: Path) -> Path:
        """Writes what made the result."""
        units = [
            {
                "channel": channel,
                "row": row,
                "column": column,
                "activation": activation,
                "window": window,
                **({"class": name} if name else {}),
            }
            for (channel, row, column), activation, window, name in zip(
                self._places,
                self.projection.activations.tolist(),
                self.projection.windows.tolist(),
                self._class_names,
                strict=True,
            )
        ]
        found = [{"class": name, "probability": p} for name, p in self.taken_for]
        predicted = {"predictions": found} if found else {}
        return write_json(
            path, {**self._facts, **self.settings, **predicted, "chosen_by": self.chosen, "units": units}
        )

    @property
    def _places(self) -> list[tuple[int | None, int | None, int | None]]:
        """Channel, row and column of each unit; none of a whole layer, which is no unit."""
        if self.projection.source == "layer":
            return [(None, None, None)]
        return [(unit.channel, unit.row, unit.column) for unit in self.projection.units]

    @property
    def _taken_for(self) -> str:
        named = ", ".join(f"{name} {100 * p:.0f} %" for name, p in self.taken_for)
        return f"taken for: {named}" if named else ""

    @cached_property
    def _facts(self) -> dict[str, Any]:
        return self.session.manifest_of(self.photo, self.layer)

    @cached_property
    def _short_form(self) -> dict[str, str]:
        return short_form(self._facts)

    @cached_property
    def _class_names(self) -> list[str]:
        channels = [channel for channel, _, _ in self._places if channel is not None]
        return self.session.network.class_names(self.layer, channels) or [""]
