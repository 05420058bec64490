"""What ``deconvviz ablate`` leaves behind: of one photograph and layer, and of several together."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import numpy as np
from torch import Tensor

from deconvviz.data.images import Photo
from deconvviz.experiments.ablation import Ablation
from deconvviz.experiments.ablation_means import MeanRow, means_over_images
from deconvviz.experiments.combinations import Combination
from deconvviz.experiments.ways_down import MEASURES, Ablated
from deconvviz.figures import ablation_figure, ablation_means_figure, save_figure
from deconvviz.figures.parts import save_tile
from deconvviz.runs import replacing, short_form, write_arrays, write_json
from deconvviz.tiles import photo_tile, signed_scale, signed_tile

from .session import Session


@dataclass(frozen=True)
class AblationResults:
    """An ablation and all that is said about it.

    Attributes:
        session: the network and its facts.
        photo: the photograph.
        batch: (1, 3, H, W), the photograph as the network saw it.
        layer: the layer's name.
        found: of K units.
        settings: the command's options, and how the units were chosen.
    """

    session: Session
    photo: Photo
    batch: Tensor
    layer: str
    found: Ablation
    settings: Mapping[str, Any]

    def figure(self, path: Path) -> Path:
        """Draws and writes the figure."""
        network, units = self.session.network, self.found.given.units
        what = "the strongest unit" if self.settings["chosen_by"] == "strongest" else "a unit"
        if len(units) > 1:
            what = f"the {len(units)} strongest units" if what != "a unit" else f"{len(units)} units"
        whole = f"{'the whole map' if len(units) == 1 else 'the whole maps'} of {what}"
        begin = {"strongest": f"{what} of ", "map": f"{whole} of ", "layer": "all of "}
        drawn = ablation_figure(
            network.pixels(self.batch)[0],
            self.found,
            title=f"{self.photo.name}: {begin[self.found.source]}{self.layer}, in all combinations "
            "of mask, switches and backward ReLU",
            caption=self.caption,
            given=self.given,
            names=network.class_names(self.layer, [unit.channel for unit in units]),
        )
        return save_figure(drawn, path, self._short_form)

    def table(self, path: Path) -> Path:
        """Writes a row of measures for each network, unit and combination."""
        return _write_table(path, list(self._rows()))

    def arrays(self, path: Path) -> Path:
        """Writes the numbers: (K, R, ...) of K units and R combinations, (D, K, R) of D random networks."""
        found, codes = self.found, [each.code for each in self.found.combinations]
        held = {"pixels": _pixels(found.given, codes)}
        for measure in MEASURES:
            held[measure] = _by_code(found.given, measure, codes)
        if found.random:
            held["random_pixels"] = _pixels(found.random[0], codes)
            for measure in MEASURES:
                held[f"random_{measure}"] = np.stack([_by_code(one, measure, codes) for one in found.random])
        places = {
            "unit": [
                [u.channel, *(-1 if n is None else n for n in (u.row, u.column))] for u in found.given.units
            ],
            "window": found.given.windows.tolist(),
        }
        where = {name: np.array(values, dtype=np.int64) for name, values in places.items()}
        return write_arrays(path, input=self.batch[0].cpu().numpy(), codes=np.array(codes), **where, **held)

    def parts(self, folder: Path) -> list[Path]:
        """Writes what each unit sees, and every picture, on their own."""
        photo = photo_tile(self.session.network.pixels(self.batch)[0].cpu().numpy())
        paths = []
        for network, ending in ((self.found.given, ""), *((one, "_random") for one in self.found.random[:1])):
            for k, unit in enumerate(network.units):
                top, left, height, width = network.windows[k].tolist()
                place = "" if unit.row is None else f"_r{unit.row:02d}_c{unit.column:02d}"
                begin = f"unit_{unit.channel:04d}{place}"
                box = (slice(top, top + height), slice(left, left + width))
                tiles = {f"{begin}_patch{ending}.png": photo[box]}
                for code, pixels in network.pixels.items():
                    inside = pixels[k].float().cpu().numpy()[:, *box]
                    tiles[f"{begin}_{code}{ending}.png"] = signed_tile(inside, signed_scale([inside]))
                paths += [save_tile(tile, folder / name, self._short_form) for name, tile in tiles.items()]
        return paths

    def manifest(self, path: Path) -> Path:
        """Writes what made the result."""
        return write_json(
            path,
            {
                **self._facts,
                **self.settings,
                "engine": self.found.engine,
                "networks": [self._told(*each) for each in self._networks()],
            },
        )

    @property
    def given(self) -> str:
        """What the weights of the network as it is are."""
        label = self.session.network.origin.label
        return label if label.startswith("random") or label == "as built" else "trained"

    @property
    def caption(self) -> str:
        """The network, and how random weights are drawn."""
        network = self.session.network
        drawn = {"gaussian": "normal, deviation 0.01, no biases", "own": "by each layer's initialisation"}
        random = f", random ones {drawn[self.settings['initialisation']]}" if self.found.random else ""
        return f"{network.name}, weights {network.origin.label}{random}"

    def _networks(self) -> Iterator[tuple[str, int | None, Ablated]]:
        """What each network's weights are, the number of its draw, and what it makes of the units."""
        yield self.given, None, self.found.given
        for number, one in enumerate(self.found.random, 1):
            yield "random", number, one

    def _told(self, weights: str, draw: int | None, network: Ablated) -> dict[str, Any]:
        """A network's units and numbers, for the manifest."""
        units = []
        for k, unit in enumerate(network.units):
            numbers = {
                each.code: {m: _digits(float(getattr(network, m)[each.code][k])) for m in MEASURES}
                for each in self.found.combinations
            }
            units.append(
                {
                    "channel": unit.channel,
                    "row": unit.row,
                    "column": unit.column,
                    "activation": float(network.activations[k]),
                    "window": network.windows[k].tolist(),
                    "combinations": numbers,
                }
            )
        return {"weights": weights, **({} if draw is None else {"draw": draw}), "units": units}

    def _rows(self) -> Iterator[dict[str, Any]]:
        for weights, draw, network in self._networks():
            for k, unit in enumerate(network.units):
                for each in self.found.combinations:
                    yield {
                        "image": self.photo.name,
                        "layer": self.layer,
                        "weights": weights,
                        "draw": draw,
                        "unit": unit.channel,
                        "row": unit.row,
                        "column": unit.column,
                        **_choices(each, self.found.lrn),
                        **{m: float(getattr(network, m)[each.code][k]) for m in MEASURES},
                    }

    @cached_property
    def _facts(self) -> dict[str, Any]:
        return self.session.manifest_of(self.photo, self.layer)

    @cached_property
    def _short_form(self) -> dict[str, str]:
        return short_form(self._facts)


def write_means(path: Path, several: Sequence[AblationResults], quiet: bool) -> list[Path]:
    """Writes figure, table and manifest of several photographs together; shows the table on stderr.

    Args:
        path: the figure's file; the others stand beside it.
        several: of one layer.
        quiet: do not show the table.
    """
    first = several[0]
    means = means_over_images([one.found for one in several])
    labels = {"given": first.given, "random": "random"}
    rows = [
        {
            "layer": first.layer,
            "weights": labels[row.weights],
            **_choices(row.combination, first.found.lrn),
            "images": len(several),
            **{
                f"{m}_{name}": part[m]
                for m in MEASURES
                for name, part in (("mean", row.means), ("deviation", row.deviations))
            },
        }
        for row in means
    ]
    facts = first.session.manifest(
        images=[{"name": one.photo.name, "sha256": one.photo.sha256} for one in several],
        layer=first.layer,
        module=first.session.network.path_of(first.layer),
    )
    figure = ablation_means_figure(
        means,
        title=f"{first.layer} in all combinations of mask, switches and backward ReLU, {len(several)} images",
        caption=first.caption,
        given=first.given,
    )
    told = [
        {key: _digits(value) if isinstance(value, float) else value for key, value in row.items()}
        for row in rows
    ]
    if not quiet:
        _show(means, labels)
    return [
        save_figure(figure, path, short_form(facts)),
        _write_table(path.with_suffix(".csv"), rows),
        write_json(path.with_suffix(".json"), {**facts, **first.settings, "means": told}),
    ]


def _show(means: Sequence[MeanRow], labels: Mapping[str, str]) -> None:
    """The table on stderr."""
    lines = [["weights", "code", *(measure.replace("_", " ") for measure in MEASURES)]]
    for row in means:
        cells = [_spread(row.means[m], row.deviations[m]) for m in MEASURES]
        lines.append([labels[row.weights], row.combination.code, *cells])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [cell.ljust(w) for cell, w in zip(line, widths, strict=True)]
        click.echo("  ".join(cells).rstrip(), err=True)


def _spread(mean: float, deviation: float) -> str:
    return "-" if math.isnan(mean) else f"{mean:.3f} ± {deviation:.3f}"


def _choices(each: Combination, lrn: bool) -> dict[str, Any]:
    """A combination in a table's columns."""
    return {
        "code": each.code,
        "name": each.name(lrn),
        "mask": int(each.mask),
        "switches": int(each.switches),
        "backward_relu": int(each.backward_relu),
        "lrn": ("transpose" if each.lrn_transposed else "identity") if lrn else "",
    }


def _by_code(network: Ablated, measure: str, codes: Sequence[str]) -> Any:
    """(K, R)."""
    return np.stack([getattr(network, measure)[code].numpy() for code in codes], axis=1)


def _pixels(network: Ablated, codes: Sequence[str]) -> Any:
    """(K, R, 3, H, W)."""
    return np.stack([network.pixels[code].float().cpu().numpy() for code in codes], axis=1)


def _digits(value: float) -> float | None:
    """Six digits; None where there is no value."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Writes rows as CSV in place of an older file."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )
    return path
