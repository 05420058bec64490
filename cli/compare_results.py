"""What ``deconvviz compare IMAGE...`` leaves behind: figures with their numbers, or a page."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deconvviz.compare.answers import Answer, Comparison
from deconvviz.compare.methods import METHODS
from deconvviz.compare.page import write_page
from deconvviz.compare.showing import tile_of
from deconvviz.data.images import Photo
from deconvviz.figures import comparison_figure, save_figure
from deconvviz.figures.parts import save_tile
from deconvviz.runs import short_form, write_arrays, write_json
from deconvviz.tiles import photo_tile

from .compare_session import Compared

MANIFEST = "comparison.json"
"""A page's numbers, beside it."""


@dataclass(frozen=True)
class Results:
    """Comparisons on their way to files.

    Attributes:
        compared: network, layers and decoders.
        facts: how they were made, for the manifest.
        methods: names, in the table's order.
        rows: of figures: ``layers`` or ``images``.
    """

    compared: Compared
    facts: dict[str, Any]
    methods: Sequence[str]
    rows: str

    def write(self, found: Sequence[tuple[Photo, Comparison]], figure: Path, arrays: bool) -> list[Path]:
        """Writes one figure with its manifest, and its numbers if asked to.

        Args:
            found: with rows of layers one photograph's, else every photograph's of one layer.
            figure: where the figure goes; the rest stands beside it.
            arrays: write those.
        """
        manifest = self.manifest(found)
        first = found[0][1]
        one = found[0][0].name if len(found) == 1 else f"{len(found)} images"
        layer = f", {first.layers[0]}" if self.rows == "images" else ""
        drawn = comparison_figure(
            [comparison for _, comparison in found],
            rows=self.rows,
            title=f"{one}{layer}: what each method makes of the same activations",
            caption=self.caption,
            name_of=self.name_of,
        )
        written = [save_figure(drawn, figure, short_form(manifest))]
        if arrays:
            written.append(_arrays(figure.with_suffix(".npz"), [comparison for _, comparison in found]))
        written.append(write_json(figure.with_suffix(".json"), manifest))
        return written

    def parts(self, photo: Photo, comparison: Comparison, folder: Path) -> list[Path]:
        """Writes the input and every picture as PNGs of their own."""
        tiles = {"input.png": photo_tile(comparison.original.float().cpu().numpy())}
        for layer in comparison.layers:
            for method in comparison.methods:
                tile = tile_of(comparison.answers[layer, method])
                if tile is not None:
                    tiles[f"{layer}_{method}.png"] = tile
        short = short_form(self.manifest([(photo, comparison)]))
        return [save_tile(tile, folder / name, short) for name, tile in tiles.items()]

    def manifest(self, found: Sequence[tuple[Photo, Comparison]]) -> dict[str, Any]:
        """What made the results, and all numbers."""
        named = {name: METHODS[name] for name in self.methods}
        images = [{"image": photo.name, "sha256": photo.sha256} for photo, _ in found]
        alone = {"image": {"name": found[0][0].name, "sha256": found[0][0].sha256}} if len(found) == 1 else {}
        return self.compared.session.manifest(
            **alone,
            **self.facts,
            layers=list(found[0][1].layers),
            methods={
                name: {"given": m.given, "claims": m.claims, "projection": m.projects}
                for name, m in named.items()
            },
            images=[
                {**told, "answers": [_told(answer) for answer in _cells(comparison)]}
                for told, (_, comparison) in zip(images, found, strict=True)
            ],
        )

    def name_of(self, layer: str, channel: int) -> str:
        """The class of a unit that scores one; else empty."""
        return self.compared.session.network.class_names(layer, [channel])[0]

    @property
    def caption(self) -> str:
        """Network, weights, and how pre-images were looked for."""
        network = self.compared.session.network
        searched = ""
        if "preset" in self.facts:
            steps = f", {self.facts['iterations']} steps" if self.facts["iterations"] else ""
            how = f"preset {self.facts['preset']}{steps}, seed {self.facts['search_seed']}"
            searched = f" · pre-images: {how}"
        return f"{network.name}, weights {network.origin.label}{searched}"


def page(results: Results, folder: Path, found: Iterable[tuple[Any, Comparison]]) -> list[Path]:
    """Writes a page of many photographs, and its numbers.

    Args:
        results: how they are made.
        folder: of the page.
        found: each photograph as the network saw it, with its comparison; taken one by one.
    """
    kept: list[tuple[Photo, Comparison]] = []

    def lean() -> Iterable[Comparison]:
        for one, comparison in found:
            kept.append((one.photo, _without_pictures(comparison)))
            yield comparison

    facts = results.compared.session.manifest()
    written = write_page(
        folder,
        lean(),
        model=results.compared.session.network.name,
        name_of=results.name_of,
        facts=[results.caption, facts["command"], f"{facts['made_by']}, {facts['date']}"],
    )
    return [written, write_json(folder / MANIFEST, results.manifest(kept))]


def _cells(comparison: Comparison) -> list[Answer]:
    return [comparison.answers[layer, m] for layer in comparison.layers for m in comparison.methods]


def _without_pictures(comparison: Comparison) -> Comparison:
    """The same numbers in less memory."""
    answers = {
        cell: replace(answer, signal=None, picture=None) for cell, answer in comparison.answers.items()
    }
    return replace(comparison, answers=answers)


def _told(answer: Answer) -> dict[str, Any]:
    """A cell for the manifest; JSON has no NaN."""
    unit = answer.unit
    place: dict[str, Any] = (
        {} if unit is None else {"channel": unit.channel, "row": unit.row, "column": unit.column}
    )
    facts = {
        "unit": place and place | {"activation": answer.activation},
        "seconds": round(answer.seconds, 4) if math.isfinite(answer.seconds) else None,
        "errors": {k: v if math.isfinite(v) else None for k, v in answer.errors.items()},
        "missing": answer.missing,
        "advice": answer.advice,
        "note": answer.note,
    }
    return {"layer": answer.layer, "method": answer.method, **{k: v for k, v in facts.items() if v}}


def _arrays(path: Path, found: Sequence[Comparison]) -> Path:
    """The numbers of N images, L layers and M methods; NaN where there is no picture."""
    first = found[0]
    shape = tuple(first.original.shape)

    def whole(name: str) -> NDArray[np.float32]:
        empty = np.full(shape, np.nan, np.float32)
        flat = [getattr(answer, name) for one in found for answer in _cells(one)]
        stacked = np.stack([empty if value is None else _plain(value) for value in flat])
        return stacked.reshape(len(found), len(first.layers), len(first.methods), *shape)

    def numbers(known: Callable[[Answer], float]) -> NDArray[np.float64]:
        flat = np.array([known(answer) for one in found for answer in _cells(one)])
        return flat.reshape(len(found), len(first.layers), len(first.methods))

    def errors(name: str) -> NDArray[np.float64]:
        return numbers(lambda answer: answer.errors.get(name, math.nan))

    names = sorted({name for one in found for answer in _cells(one) for name in answer.errors})
    return write_arrays(
        path,
        input=np.stack([_plain(one.original) for one in found]),
        signal=whole("signal"),
        picture=whole("picture"),
        image=[one.name for one in found],
        layer=list(first.layers),
        method=list(first.methods),
        seconds=numbers(lambda answer: answer.seconds),
        **{name: errors(name) for name in names},
    )


def _plain(values: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.float().cpu().numpy()
    return array
