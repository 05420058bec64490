"""``deconvviz evaluate``: how good decoders are over a set of images, and what survives in each layer."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .data_options import DATA_OPTIONS, data_options
from .decoder_data import data_of, images_of, split_option
from .decoder_session import opened_decoders
from .earlier import given_options
from .options import model_option, output_options, weights_options
from .session import announce, targets

if TYPE_CHECKING:
    from deconvviz.decoders.evaluating import LayerErrors

HEADINGS = {
    "image_error": "image error",
    "mse": "MSE",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "lpips": "LPIPS",
    "feature_error": "feature error",
    "feature_error_mv15": "M&V 2015",
    "feature_error_mv16": "M&V 2016",
}
"""The columns of the table; the definitions stand in `deconvviz.metrics`."""


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@data_options(default=None)
@split_option()
@click.option(
    "--images", "most", type=click.IntRange(min=2), metavar="N", help="N evenly spaced images  [all]."
)
@click.option("--what-survives", is_flag=True, help="Also measure and draw what survives in each layer.")
@click.option(
    "--lpips",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="AlexNet's ImageNet weights for LPIPS  [default: the encoder's or torch's own, where at hand].",
)
@model_option()
@weights_options()
@output_options()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.pass_context
def evaluate(
    context: click.Context,
    /,
    runs: tuple[Path, ...],
    split: str,
    most: int | None,
    what_survives: bool,
    lpips: Path | None,
    out: str | None,
    as_json: bool,
    device: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Measure the decoders of RUNS over a set of images.

    The table goes to stdout; beside it a plot over the layers, the table as CSV and everything as JSON. The
    set is that of the first run, unless --data names another.

    Image error: distance of reconstruction and image over the mean distance of two images (Dosovitskiy &
    Brox). Feature error: the same for the features of the re-encoded reconstruction. M&V 2015: squared, over
    the mean squared distance of two images' features. M&V 2016: relative to the features' own length.

    \b
        deconvviz evaluate decoders/alexnet
        deconvviz evaluate runs/half runs/best --data tiny-imagenet --classes 20 --what-survives
    """
    chosen = {name: options.pop(name) for name in DATA_OPTIONS}
    place = targets(["decoders"], [runs[0].resolve().name], out)[0][0].figure
    given = given_options(context)
    groups = opened_decoders(runs, given, options, device, quiet)
    side = max(group.session.network.input_size for group in groups)
    data = data_of(groups[0].decoders[0].label, chosen, side, options["seed"], given, quiet)
    images = images_of(data, split, most)
    from deconvviz.decoders.evaluating import evaluate_decoders
    from deconvviz.decoders.perceptual import lpips_at_hand

    measure = lpips_at_hand(groups[0].session.network, lpips)
    found: list[LayerErrors] = []
    for group in groups:
        found += evaluate_decoders(
            group.encoder, group.decoders, images, lpips=measure, survives=what_survives, progress=not quiet
        )
    labels = [label for group in groups for label in group.labels]
    rows = [{"layer": label, **one.means()} for label, one in zip(labels, found, strict=True)]
    told = groups[0].session.manifest(
        decoders=[decoder.label for group in groups for decoder in group.decoders],
        data=data.facts,
        split=split,
        images=len(images),
        errors=rows,
        survives=[_plain(one) for one in found] if what_survives else None,
    )
    caption = f"{len(images)} {split} images of {Path(data.name).name}"
    written = _write(place, rows, found, labels, told, f"{groups[0].session.network.name}: decoders", caption)
    if as_json:
        click.echo(
            json.dumps({"images": len(images), "errors": rows, "survives": told.get("survives")}, indent=1)
        )
        return
    _table(rows)
    announce(*written)


def _write(
    place: Path,
    rows: Sequence[dict[str, Any]],
    found: Sequence[LayerErrors],
    labels: Sequence[str],
    told: dict[str, Any],
    title: str,
    caption: str,
) -> list[Path]:
    from deconvviz.figures import errors_figure, save_figure
    from deconvviz.runs import replacing, short_form, write_json

    means = {name: [row[name] for row in rows] for name in rows[0] if name != "layer"}
    figure = errors_figure(labels, means, title=title, caption=caption)
    written = [save_figure(figure, place, short_form(told)), write_json(place.with_suffix(".json"), told)]
    table = place.with_suffix(".csv")
    with replacing(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )
    written.append(table)
    if found[0].survival is not None:
        survives = place.with_name(f"{place.stem}_survives{place.suffix}")
        written.append(save_figure(_survival(found, labels, title, caption), survives, short_form(told)))
    return written


def _survival(found: Sequence[LayerErrors], labels: Sequence[str], title: str, caption: str) -> Any:
    from deconvviz.figures import Track, survival_figure

    known = [one.survival for one in found if one.survival is not None]

    def track(name: str) -> Track:
        outcomes = [getattr(one, name) for one in known]
        return Track([o.mean for o in outcomes], [o.spread for o in outcomes], [o.chance for o in outcomes])

    return survival_figure(
        labels,
        track("colour"),
        track("order"),
        track("displacement"),
        known[0].bands,
        [one.band_errors for one in known],
        [one.band_chances for one in known],
        title=f"{title}: what survives",
        caption=caption,
    )


def _plain(one: LayerErrors) -> dict[str, Any]:
    from dataclasses import asdict

    known = one.survival
    return (
        {} if known is None else {"layer": one.layer, **json.loads(json.dumps(asdict(known), default=list))}
    )


def _table(rows: Sequence[dict[str, Any]]) -> None:
    names = [name for name in HEADINGS if name in rows[0]]
    lines = [["layer", *(HEADINGS[name] for name in names)]]
    for row in rows:
        cells = ["-" if math.isnan(row[name]) else f"{row[name]:.4g}" for name in names]
        lines.append([row["layer"], *cells])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        cells = [
            cell.ljust(w) if not i else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        ]
        click.echo("  ".join(cells))
