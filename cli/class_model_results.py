"""What ``deconvviz class-model`` leaves behind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deconvviz.figures import class_models_figure, save_figure
from deconvviz.figures.class_models import coloured_tiles, signed_tiles
from deconvviz.figures.parts import save_tile
from deconvviz.metrics import evenly_spaced
from deconvviz.models import Network
from deconvviz.models.classes import class_title
from deconvviz.preimage.class_models import ClassModels
from deconvviz.runs import short_form, write_arrays, write_json
from deconvviz.tiles import PERCENTILE, Bytes

from .session import Session

_POINTS = 100  # of a curve in the manifest
_NO_BREAK = "\N{NO-BREAK SPACE}"
_DRAWN = {
    "legible": "the preset, not the network, keeps grain out, by blur, shifts and smoothing",
    "simonyan2013": f"grey is the mean colour; full contrast is a picture's own {PERCENTILE:g}th percentile",
}


@dataclass(frozen=True)
class ClassModelResults:
    """Images that N classes or units answer to most, and all that is said about them.

    Attributes:
        session: the network and its facts.
        found: of the N.
        layer: whose units they are; empty for classes.
        numbers: of the N.
        names: likewise.
        preset: the method's name.
        seconds: that it took.
    """

    session: Session
    found: ClassModels
    layer: str
    numbers: Sequence[int]
    names: Sequence[str]
    preset: str
    seconds: float

    @property
    def inactive(self) -> list[int]:
        """Which of the N are units that are off in their own image."""
        return [k for k, value in enumerate(self._values) if self.layer and value == 0]

    @property
    def advice(self) -> str:
        """What to try where the search led to no numbers."""
        return "" if self.preset == "legible" else "try --preset legible"

    def figure(self, path: Path) -> Path:
        """Draws and writes the figure."""
        network, steps = self.session.network, len(self.found.curve)
        ended = f" ({self.found.stopped})" if self.found.stopped else ""
        seed, plural = self.session.facts["seed"], "s" * (steps != 1)
        how = f"preset {self.preset}, {steps} step{plural}{ended}, seed {seed}"
        drawn = class_models_figure(
            self._tiles,
            self.names,
            self._values,
            self._probabilities,
            title=self._title,
            legend=f"found by raising {self._raised} below, from plain grey, without any photograph · "
            f"{_DRAWN[self.preset]}",
            caption=f"{network.name}, weights {network.origin.label}, {how.replace(' ', _NO_BREAK)}",
        )
        return save_figure(drawn, path, self._short_form)

    def arrays(self, path: Path) -> Path:
        """Writes the numbers; images as the network sees them, normalised."""
        what = "unit" if self.layer else "target"
        reached = (
            {}
            if self._probabilities is None
            else {"probability": np.array(self._probabilities, dtype=np.float32)}
        )
        return write_arrays(
            path,
            images=self.found.images.float().cpu().numpy(),
            **{what: np.array(self.numbers, dtype=np.int64)},
            value=np.array(self._values, dtype=np.float32),
            **reached,
            curve=self._curve,
        )

    def parts(self, folder: Path) -> list[Path]:
        """Writes every image as a picture of its own."""
        what = "unit" if self.layer else "class"
        return [
            save_tile(tile, folder / f"{what}_{number:04d}.png", self._short_form)
            for number, tile in zip(self.numbers, self._tiles, strict=True)
        ]

    def manifest(self, path: Path) -> Path:
        """Writes what made the result, and what each image reaches."""
        found, thinned = self.found, evenly_spaced(len(self._curve), _POINTS)
        rows = []
        for k, (number, name, value) in enumerate(zip(self.numbers, self.names, self._values, strict=True)):
            curve = {"step": (thinned + 1).tolist(), "value": [_known(v) for v in self._curve[thinned, k]]}
            if self._probabilities is None:
                (label,) = self.session.network.class_names(self.layer, [number])
                who: dict[str, Any] = {"unit": number, **({"class": label} if label else {})}
                reached = {"activation": _known(value)}
            else:
                who = {"target": number, "class": name}
                reached = {"score": _known(value), "probability": _known(self._probabilities[k])}
            rows.append({**who, **reached, "curve": curve})
        how = {
            "preset": self.preset,
            "iterations": len(self._curve),
            "stopped": found.stopped,
            "slower": found.slower,
            "seconds": self.seconds,
            **({"place": found.place} if found.place else {}),
        }
        return write_json(path, {**self._facts, **how, "units" if self.layer else "targets": rows})

    @property
    def _title(self) -> str:
        several, name = len(self.numbers) > 1, self.session.network.name
        if not self.layer:
            return f"{name}: class models" if several else f"{name}: class model of {self.names[0]}"
        who = "units answer" if several else f"{self.names[0]} answers"
        return f"{self.layer} of {name}: what {who} to most"

    @property
    def _raised(self) -> str:
        """What was climbed, in words."""
        if not self.layer:
            return "the score of the class"
        where = {"centre": "activation at the centre of the map", "everywhere": "mean activation of the map"}
        return f"the {where.get(self.found.place, 'activation')} of the unit"

    @cached_property
    def _tiles(self) -> list[Bytes]:
        if self.preset == "legible":
            return coloured_tiles(self.session.network.pixels(self.found.images))
        images = self.found.images
        return signed_tiles(
            images * torch.tensor(self.session.network.std, device=images.device)[:, None, None]
        )

    @cached_property
    def _values(self) -> list[float]:
        values: list[float] = self.found.values.tolist()
        return values

    @cached_property
    def _probabilities(self) -> list[float] | None:
        return None if self.found.probabilities is None else self.found.probabilities.tolist()

    @cached_property
    def _curve(self) -> NDArray[np.float32]:
        """(T, N)."""
        curve: NDArray[np.float32] = self.found.curve.float().cpu().numpy()
        return curve

    @cached_property
    def _facts(self) -> dict[str, Any]:
        network = self.session.network
        where = {"layer": self.layer, "module": network.path_of(self.layer)} if self.layer else {}
        return self.session.manifest(**where)

    @cached_property
    def _short_form(self) -> dict[str, str]:
        return short_form(self._facts)


def titles(network: Network, layer: str, numbers: Sequence[int]) -> list[str]:
    """What figures call classes, or a layer's units: by name where they have one that no other has."""
    if layer:
        names = network.class_names(layer, numbers)
        return [f"unit {k}{name and ': '}{name}" for k, name in zip(numbers, names, strict=True)]
    named = [(number, class_title(network, number)) for number in numbers]
    return [f"{name} ({k})" if network.categories.count(name) > 1 else name for k, name in named]


def _known(value: float) -> float | None:
    """A number for JSON, which has no NaN."""
    return float(value) if math.isfinite(value) else None
