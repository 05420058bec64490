"""What ``deconvviz compare --data`` leaves behind: two tables, a figure, and all of it as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from deconvviz.compare.chunks import OPTIMISED
from deconvviz.compare.folder import CURVES, IMAGES, RESULTS, SURVEY, TABLE, earlier
from deconvviz.compare.intervals import LEVEL
from deconvviz.compare.judging import ERRORS
from deconvviz.compare.methods import METHODS
from deconvviz.compare.survey import Survey
from deconvviz.compare.tables import NUMBERS, Row, table
from deconvviz.compare.writing import plain, write_cells, write_table
from deconvviz.data.datasets import DataSet
from deconvviz.figures import MethodLine, comparison_curves_figure, save_figure
from deconvviz.runs import short_form, write_json

from .compare_session import Compared

_HEADINGS = {
    "psnr": "PSNR",
    "ssim": "SSIM",
    "explained": "explained",
    "image_error": "image error",
    "feature_error": "feature error",
}


@dataclass(frozen=True)
class Results:
    """The results of one run on their way to files.

    Attributes:
        folder: of the run.
        compared: network, layers and decoders.
        data: the data set.
        split: which part of it.
    """

    folder: Path
    compared: Compared
    data: DataSet
    split: str

    @property
    def paths(self) -> list[Path]:
        """All files, in the order in which they are told."""
        return [self.folder / name for name in (CURVES, RESULTS, TABLE, IMAGES)]

    def write(self, found: Survey) -> list[Path]:
        """Writes everything.

        Args:
            found: what came of the run.
        """
        rows = table(found.cells, seed=found.known["seed"])
        manifest = self._manifest(found, rows)
        write_table(self.folder / TABLE, rows)
        write_cells(self.folder / IMAGES, found.cells)
        save_figure(self._figure(found, rows), self.folder / CURVES, short_form(manifest))
        write_json(self.folder / RESULTS, manifest)
        return self.paths

    def _manifest(self, found: Survey, rows: Sequence[Row]) -> dict[str, Any]:
        return self.compared.session.manifest(
            data=self.data.facts,
            split=self.split,
            images=found.known["count"],
            optimised_images=_optimised(found),
            decoders=[decoder.label for decoder in self.compared.decoders],
            pair_distance=None if math.isnan(found.pair_distance) else found.pair_distance,
            interval=LEVEL,
            table=[plain(row) for row in rows],
            **{SURVEY: found.known},
        )

    def _figure(self, found: Survey, rows: Sequence[Row]) -> Any:
        session, layers = self.compared.session, list(found.known["layers"])
        few = _optimised(found)
        count = found.known["count"]
        caption = [
            f"mean over {count} {self.split} images of {Path(self.data.name).name}"
            + (f", optimised over {few} of them" if few and few != count else ""),
            f"bars and bands: {LEVEL:.0%} bootstrap intervals over images",
            f"weights {session.network.origin.label}",
        ]
        return comparison_curves_figure(
            layers,
            [_line(name, rows, layers) for name in found.known["methods"]],
            title=f"{session.network.name}: methods compared on the same activations",
            caption=" · ".join(caption),
        )


def _optimised(found: Survey) -> int:
    return len({cell.image for cell in found.cells if cell.method == OPTIMISED})


def _line(name: str, rows: Sequence[Row], layers: Sequence[str]) -> MethodLine:
    method, there = METHODS[name], {row.layer: row for row in rows if row.method == name}
    ending = "_fitted" if method.projects else ""

    def at(layer: str, error: str) -> tuple[float, float, float]:
        if layer not in there:
            return (math.nan,) * 3
        found = there[layer].errors[error + ending]
        return found.mean, found.low, found.high

    errors = {error: [at(layer, error) for layer in layers] for error in ERRORS}
    return MethodLine(method.title, list(METHODS).index(name), method.projects, errors)


def told(folder: Path, as_json: bool, quiet: bool) -> None:
    """Prints the table of a finished run.

    Args:
        folder: of the run.
        as_json: for a program.
        quiet: leave out how it is to be read.
    """
    content = earlier(folder, RESULTS) or {}
    if as_json:
        names = ("images", "optimised_images", "interval", "pair_distance", "table")
        click.echo(json.dumps({name: content[name] for name in names if name in content}, indent=1))
        return
    heads = [word for name in _HEADINGS.values() for word in (name, "fitted")]
    lines = [["layer", "method", "images", *heads, "seconds"]]
    lines += [_words(row) for row in content["table"]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line, row in zip(lines, [None, *content["table"]], strict=True):
        cells = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        why = "; ".join(row["missing"]) if row and not row["n"] else ""
        click.echo("  ".join([*cells, why]).rstrip())
    if not quiet:
        click.echo(
            f"note: ± is half the width of the {content['interval']:.0%} bootstrap interval over images; "
            "fitted: after the best scale and shift a channel, which are told the image",
            err=True,
        )


def _words(row: Mapping[str, Any]) -> list[str]:
    seconds = "-" if row["seconds"] is None else f"{row['seconds']:.3g}"
    return [row["layer"], row["method"], str(row["n"]), *(_said(row[name]) for name in NUMBERS), seconds]


def _said(found: Mapping[str, Any]) -> str:
    """``18.45±0.12``: as many digits as the interval bears out."""
    mean, low, high = (found[name] for name in ("mean", "low", "high"))
    if mean is None:
        return "-"
    half = (high - low) / 2 if low is not None else math.nan
    if not math.isfinite(half) or not half > 0:
        return f"{mean:.4g}"
    digits = min(max(1 - math.floor(math.log10(half)), 0), 4)
    return f"{mean:.{digits}f}±{half:.{digits}f}"
