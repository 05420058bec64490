"""What ``deconvviz invariance`` leaves behind: one figure, its numbers and its manifest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from deconvviz.data.images import Photo
from deconvviz.experiments.invariance import Invariance
from deconvviz.experiments.scenes import Scene
from deconvviz.experiments.transforms import does_nothing, transformed, untouched
from deconvviz.figures import invariance_figure, save_figure
from deconvviz.figures.invariance import Moved, Subject
from deconvviz.models.classes import class_title
from deconvviz.runs import short_form, write_arrays, write_json

from .session import Session

_EXAMPLES = 4
_DIP = 0.2  # of the largest distance: a valley that is no deeper below both its sides is not told


@dataclass(frozen=True)
class InvarianceResults:
    """The curves of some photographs, and all that is said about them.

    Attributes:
        session: the network and its facts.
        photos: N of them.
        scenes: the N photographs with what lies around them.
        found: of the N.
        asked: the classes as they were given; none, one, or N.
        given: options that the numbers depend on.
    """

    session: Session
    photos: Sequence[Photo]
    scenes: Sequence[Scene]
    found: Invariance
    asked: tuple[str, ...]
    given: Mapping[str, Any]

    def figure(self, path: Path) -> Path:
        """Draws and writes the figure."""
        network, count = self.session.network, len(self.photos)
        what = self.photos[0].name if count == 1 else f"{count} images"
        beyond = {
            "edge": "the colour of the nearest edge",
            "grey": "mid-grey",
            "mean": "the network's mean colour",
        }
        follow = "features and class" if self.found.targets else "features"
        drawn = invariance_figure(
            self.found,
            self._lines(),
            self._examples(),
            title=f"{what}: {follow} under translation, scaling and rotation",
            whose="of the true class" if self.asked else "of the class the image is taken for",
            caption=f"{network.name}, weights {network.origin.label} · beyond the photograph: "
            f"{beyond[self.given['fill']]}",
        )
        return save_figure(drawn, path, short_form(self._facts))

    def arrays(self, path: Path) -> Path:
        """Writes the numbers: those of each transformation begin with its name."""
        found = self.found
        told: dict[str, Any] = {
            "layers": np.array(found.layers),
            "images": np.array([photo.name for photo in self.photos]),
            "lengths": found.lengths.numpy(),
            "between": found.between.numpy(),
        }
        if found.targets:
            told["targets"] = np.array(found.targets, dtype=np.int64)
        for kind, course in found.courses.items():
            told[kind] = np.array(course.amounts, dtype=np.float64)
            told[f"{kind}_distances"] = course.distances.numpy()
            if course.probabilities is not None:
                told[f"{kind}_probabilities"] = course.probabilities.numpy()
        return write_arrays(path, **told)

    def manifest(self, path: Path) -> Path:
        """Writes what made the result, and what is seen in it."""
        found = self.found
        rows = []
        for n, photo in enumerate(self.photos):
            row: dict[str, Any] = {"image": photo.name}
            if found.targets:
                row |= {"target": found.targets[n], "class": self._titles[n], "probability": self._sure(n)}
                row |= {"asked": self.asked[n % len(self.asked)]} if self.asked else {}
            for kind in found.courses:
                row[kind] = self._seen(n, kind)
            rows.append(row)
        amounts = {kind: list(course.amounts) for kind, course in found.courses.items()}
        return write_json(
            path, {**self._facts, **self.given, "layers": list(found.layers), **amounts, "results": rows}
        )

    @property
    def taken_for(self) -> str:
        """The class of each image, in words."""
        return ", ".join(
            f"{photo.name} is taken for {title} ({100 * self._sure(n):.0f} %)"
            for n, (photo, title) in enumerate(zip(self.photos, self._titles, strict=True))
        )

    def _seen(self, n: int, kind: str) -> dict[str, Any]:
        """One image under one transformation, in a few numbers a layer."""
        course = self.found.courses[kind]
        told: dict[str, Any] = {
            layer: _summary(course.amounts, course.distances[n, k].tolist(), untouched(kind))
            for k, layer in enumerate(self.found.layers)
        }
        if course.probabilities is not None:
            values = course.probabilities[n].tolist()
            least = min(range(len(values)), key=values.__getitem__)
            told["probability"] = {
                "ends": [_rounded(values[0]), _rounded(values[-1])],
                "least": _rounded(values[least]),
                "least_at": course.amounts[least],
            }
        return told

    def _lines(self) -> list[Subject]:
        pixels = self.session.network.pixels
        lines = []
        for n, photo in enumerate(self.photos):
            notes = []
            if self.found.targets:
                notes = [self._titles[n], f"{100 * self._sure(n):.0f} % as it is"]
            lines.append(Subject(photo.name, pixels(self.scenes[n].shown), notes))
        return lines

    def _examples(self) -> dict[str, list[Moved]]:
        """Some steps of each transformation, each transformation on the next image."""
        shown = {}
        for i, (kind, course) in enumerate(self.found.courses.items()):
            n = i % len(self.photos)
            changed = [x for x in course.amounts if not does_nothing(kind, x)] or list(course.amounts)
            at = {round(k * (len(changed) - 1) / (_EXAMPLES - 1)) for k in range(_EXAMPLES)}
            shown[kind] = [Moved(n, changed[k], self._pixels(n, kind, changed[k])) for k in sorted(at)]
        return shown

    def _pixels(self, n: int, kind: str, amount: float) -> Tensor:
        return self.session.network.pixels(transformed(self.scenes[n], kind, amount))

    def _sure(self, n: int) -> float:
        """The probability of an image's class as it is."""
        course = self.found.courses["scale"]
        return math.nan if course.probabilities is None else float(course.probabilities[n, 0])

    @cached_property
    def _titles(self) -> list[str]:
        return [class_title(self.session.network, target) for target in self.found.targets]

    @cached_property
    def _facts(self) -> dict[str, Any]:
        return self.session.manifest(
            images=[{"name": photo.name, "sha256": photo.sha256} for photo in self.photos]
        )


def _summary(amounts: Sequence[float], values: Sequence[float], start: float) -> dict[str, Any]:
    """Where a curve of distances is highest, how much of that the first step brings, and where it dips.

    Args:
        amounts: in order.
        values: the distance at each.
        start: the amount that changes nothing.
    """
    top = max(range(len(values)), key=values.__getitem__)
    step = min(abs(x - start) for x in amounts if x != start)
    first = [v for x, v in zip(amounts, values, strict=True) if math.isclose(abs(x - start), step)]
    return {
        "largest": _rounded(values[top]),
        "largest_at": amounts[top],
        "ends": [_rounded(values[0]), _rounded(values[-1])],
        "share_of_first_step": _rounded(sum(first) / len(first) / values[top]) if values[top] else None,
        "dips": _dips(amounts, values, start),
    }


def _dips(amounts: Sequence[float], values: Sequence[float], start: float) -> list[dict[str, Any]]:
    """Where a curve of distances comes back some way: the transformed image looks like the image again."""
    top, found = max(values), []
    for i in range(1, len(values) - 1):
        away = amounts[i] - start
        side = [(abs(x - start), v) for x, v in zip(amounts, values, strict=True) if (x - start) * away > 0]
        nearer = max((v for x, v in side if x < abs(away)), default=0.0)
        farther = max((v for x, v in side if x > abs(away)), default=0.0)
        lowest = values[i] == min(values[i - 1 : i + 2])
        if lowest and min(nearer, farther) - values[i] > _DIP * top:
            found.append({"at": amounts[i], "share": _rounded(values[i] / top)})
    return found


def _rounded(value: float) -> float | None:
    """Four significant digits; None where there is no value."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
