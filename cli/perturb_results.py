"""What ``deconvviz perturb`` leaves behind for one image, or two, and one decoder."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deconvviz.figures import Band, Cell, perturbing_figure, save_figure
from deconvviz.figures.parts import save_tile
from deconvviz.runs import short_form, write_arrays, write_json
from deconvviz.tiles import Bytes, photo_tile

from .session import Target

NOTHING = "features of zero: nothing to invert"


@dataclass(frozen=True)
class Row:
    """Pictures made in one way from features that were changed in one way: a band of the figure.

    Attributes:
        key: its name in files and manifests.
        title: in the figure.
        names: above each of its K pictures; in the manifest too.
        pictures: K pictures, (3, S, S) in [0, 1]; None where there is nothing to be made.
        features: (K, ...), what they were made from; None for pictures that were not.
        numbers: K values by name.
        notes: the lines below each picture.
        told: how to look at it.
        facts: what else the manifest says of it.
    """

    key: str
    title: str
    names: Sequence[str]
    pictures: Sequence[Tensor | None]
    features: Tensor | None = None
    numbers: Mapping[str, Sequence[float]] = field(default_factory=dict)
    notes: Sequence[Sequence[str]] = ()
    told: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def after(self, name: str, picture: Tensor, features: Tensor) -> Row:
        """The same row with a picture before it that was not made, and the features (1, ...) seen in it."""
        return replace(
            self,
            names=[name, *self.names],
            pictures=[picture, *self.pictures],
            features=None if self.features is None else torch.cat([features, self.features]),
            numbers={key: [math.nan, *values] for key, values in self.numbers.items()},
            notes=[(), *self.notes],
        )

    def with_numbers(self, **numbers: Sequence[float]) -> Row:
        """The same row with more numbers for the manifest and the arrays."""
        return replace(self, numbers={**self.numbers, **numbers})

    @property
    def tiles(self) -> list[Bytes | None]:
        """The pictures as they are drawn."""
        return [None if one is None else photo_tile(one.float().cpu().numpy()) for one in self.pictures]

    def band(self) -> Band:
        """For the figure."""
        notes = self.notes or [()] * len(self.names)
        cells = [
            Cell(name, tile, said if tile is not None else NOTHING.split(": "))
            for name, tile, said in zip(self.names, self.tiles, notes, strict=True)
        ]
        return Band(self.title, cells, self.told)

    def as_facts(self) -> dict[str, Any]:
        """For the manifest."""
        pictures = [
            {"name": name, **{key: known(values[i]) for key, values in self.numbers.items()}}
            for i, name in enumerate(self.names)
        ]
        return {"row": self.key, "title": self.title, **self.facts, "pictures": pictures}

    def parts(self) -> dict[str, Bytes]:
        """Every picture by its file's name."""
        named = zip(self.names, self.tiles, strict=True)
        return {
            f"{self.key}_{i:02d}_{_plain(name)}.png": tile
            for i, (name, tile) in enumerate(named)
            if tile is not None
        }


def write(
    place: Target,
    rows: Sequence[Row],
    facts: Mapping[str, Any],
    *,
    title: str,
    notes: Sequence[str],
    caption: str,
    most: int,
    each: bool,
    arrays: bool,
) -> list[Path]:
    """Writes the figure, its manifest, and what else was asked for; answers with the paths.

    Args:
        place: where to.
        rows: from top to bottom.
        facts: the manifest without the rows.
        title: of the figure.
        notes: what its numbers mean.
        caption: its last line.
        most: pictures in a line.
        each: also every picture as its own PNG.
        arrays: also the numbers.
    """
    short = short_form(facts)
    figure = perturbing_figure(
        [row.band() for row in rows], title=title, notes=notes, caption=caption, most=most
    )
    written = [save_figure(figure, place.figure, short)]
    if arrays:
        written.append(write_arrays(place.figure.with_suffix(".npz"), **_numbers(rows)))
    if each:
        for row in rows:
            written += [save_tile(tile, place.parts / name, short) for name, tile in row.parts().items()]
    told = {**facts, "rows": [row.as_facts() for row in rows]}
    return [*written, write_json(place.figure.with_suffix(".json"), told)]


def _numbers(rows: Sequence[Row]) -> dict[str, Any]:
    """By row: ``KEY`` the pictures (NaN where there is none), ``KEY_features``, and ``KEY_`` each number."""
    found: dict[str, Any] = {}
    for row in rows:
        (shape,) = {tuple(one.shape) for one in row.pictures if one is not None} or {()}
        found[row.key] = np.stack(
            [
                np.full(shape, np.nan, np.float32) if one is None else one.float().cpu().numpy()
                for one in row.pictures
            ]
        )
        found[f"{row.key}_names"] = np.array(row.names)
        if row.features is not None:
            found[f"{row.key}_features"] = row.features.float().cpu().numpy()
        for name, values in row.numbers.items():
            found[f"{row.key}_{name}"] = np.array(values, np.float64)
    return found


def likeness(what: str, ratio: float, similarity: float) -> str:
    """PSNR and SSIM to something, in a few words for a line below a picture."""
    if math.isinf(ratio):
        return f"{what}: the same"
    if math.isnan(ratio):
        return f"{what}: –"
    return f"{what}: {ratio:.1f} dB" + ("" if math.isnan(similarity) else f", {similarity:.2f}")


def known(value: float) -> float | None:
    """A number for JSON, which has no NaN and no infinity."""
    return float(value) if math.isfinite(value) else None


def _plain(name: str) -> str:
    """A name in letters that every file system takes."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "picture"
