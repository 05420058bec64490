"""``deconvviz health``: what is wrong with a network's filters, and what to try."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from .data_options import DATA_OPTIONS, data_options, opened_data
from .earlier import as_trained, given_options
from .optimising import check_places
from .options import layer_option, model_option, output_options, weights_options
from .session import Session, announce, open_session, targets, within_memory

if TYPE_CHECKING:
    from deconvviz.data.datasets import DataSet, LabelledImages
    from deconvviz.experiments.filter_health import FilterHealth


@click.command()
@layer_option(required=False)
@data_options(default=None)
@click.option(
    "--images",
    "most",
    type=click.IntRange(min=1),
    metavar="N",
    help="N evenly spaced validation images of --data  [all].",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    metavar="N",
    help="Images that go through the network together: fewer take less memory, and give the same.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON instead of a table; write files only with --out."
)
@click.option("--arrays", is_flag=True, help="Also write the numbers of every filter: NAME.npz.")
@model_option()
@weights_options()
@output_options()
@click.pass_context
def health(
    context: click.Context,
    /,
    layers: tuple[str, ...],
    most: int | None,
    batch_size: int,
    as_json: bool,
    arrays: bool,
    out: str | None,
    **options: Any,
) -> None:
    """Look for filters that are dead, dominant, copies of others, or alias; and say what to try.

    The table of all convolutions and linear layers goes to stdout, with what stands out below it; a figure
    beside it. From the weights: filters whose RMS exceeds 0.1 (the radius of Zeiler & Fergus) or five times
    the layer's median (dominant), that are zero, that repeat another one (twins, cosine above 0.95); how much
    of the first layer's kernels aliases at its stride, and which are noise or a fine pattern (rough). With
    --data also what fires over its validation images: units that never do (dead), at less than 0.1 % of
    places (rare), or at all of them (on), and the share of zeros in a layer's output.

    \b
        deconvviz health --weights runs/photos
        deconvviz health --model mini --data tiny-imagenet --images 1000
        deconvviz health --model alexnet --layer conv1 --json
    """
    chosen = {name: options.pop(name) for name in DATA_OPTIONS}
    if chosen["data"] is None and (most is not None or any(chosen[name] for name in DATA_OPTIONS)):
        raise click.UsageError("--images, --data-root, --classes, ... choose from --data: name it")
    if as_json and arrays and out is None:
        raise click.UsageError("--json writes no files without --out, and --arrays is one: name a place")
    targets(["network"], ["health"], out)  # a wrong --out is refused before anything is loaded
    session = open_session(**options)
    place = targets([session.network.name.replace(":", "_")], ["health"], out)[0][0].figure
    check_places([place])
    from deconvviz.experiments.filter_layers import filter_layers, without_weights

    from .health_results import HealthResults, table

    filter_layers(session.network, layers)  # a wrong --layer likewise
    quiet, images, told = options["quiet"], None, None
    if chosen["data"] is not None:
        opening = as_trained(options["weights"], chosen, options["seed"], given_options(context))
        data = opened_data(**opening, side=session.network.input_size, quiet=quiet)
        images, told = _chosen(data, most), data.facts
    found = _health(session, layers, images, batch_size, quiet)
    results = HealthResults(session, found, told)
    if not quiet:
        _tell(session, found, [] if layers else without_weights(session.network), images is not None)
    if as_json:
        click.echo(json.dumps(results.plain, indent=1, ensure_ascii=False))
    else:
        click.echo("\n".join(table(found)))
        click.echo("\n".join(results.said))
    if as_json and out is None:
        return
    written = [results.figure(place)]
    if arrays:
        written.append(results.arrays(place.with_suffix(".npz")))
    written.append(results.manifest(place.with_suffix(".json")))
    if not as_json:
        announce(*written)


def _chosen(data: DataSet, most: int | None) -> LabelledImages:
    from dataclasses import replace

    from deconvviz.metrics import evenly_spaced

    images = data.val
    return images if most is None else replace(images, rows=images.rows[evenly_spaced(len(images), most)])


def _health(
    session: Session, layers: Sequence[str], images: LabelledImages | None, batch_size: int, quiet: bool
) -> list[FilterHealth]:
    from tqdm import tqdm

    from deconvviz.experiments.filter_health import filter_health
    from deconvviz.experiments.scanning import seen
    from deconvviz.training.batches import gathered

    if images is None:
        return filter_health(session.network, layers)
    rows = [images.rows[i : i + batch_size] for i in range(0, len(images), batch_size)]
    pixels = gathered(images.pixels, images.labels, rows, session.device)
    batches = (seen(session.network, batch, channels_last=True) for batch, _ in pixels)
    with (
        tqdm(total=len(images), desc="looking", unit="img", disable=quiet) as bar,
        within_memory(session, batch_size),
    ):
        return filter_health(session.network, layers, batches, advance=bar.update)


def _tell(session: Session, found: Sequence[FilterHealth], missing: Sequence[str], shown: bool) -> None:
    """Says on stderr what was not looked at."""
    from deconvviz.experiments.firing import RARE

    if missing:
        label = session.network.origin.label
        click.echo(f"note: the weights {label} have no values for {', '.join(missing)}: left out", err=True)
    if not shown:
        click.echo("note: what never fires shows over images: name a set with --data", err=True)
    elif any(one.broken for one in found):
        click.echo("note: filters hold NaN or infinity: the images were not looked at", err=True)
    elif any(one.firings is not None and one.firings.places * RARE < 1 for one in found):
        few = f"in fewer than {round(1 / RARE)} images units of linear layers look dead that are only rare"
        click.echo(f"note: {few}", err=True)
