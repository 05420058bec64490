"""``deconvviz evolution``: what units were excited by while a network was trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .data_options import DATA_OPTIONS, opened_data
from .optimising import check_places
from .options import device_option, layer_option, output_options, rule_option, seed_option
from .session import announce, place_of, targets

if TYPE_CHECKING:
    from deconvviz.data.datasets import DataSet

_MOVED = "if they have moved, say where they are with --data-root FOLDER, or --data for class folders"


def _numbers(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> tuple[int, ...]:
    """``3,7,12`` and ``20`` as numbers, each once."""
    parts = [part.strip() for text in given for part in text.split(",")]
    for part in parts:
        if not part.isdecimal():
            raise click.UsageError(f"--units {','.join(given)}: give units' numbers such as 3,7,12")
    return tuple(dict.fromkeys(map(int, parts)))


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@layer_option(required=False)
@click.option(
    "--units",
    multiple=True,
    callback=_numbers,
    metavar="N,N,...",
    help="Follow these units; repeatable  [default: six drawn from those alive at the last snapshot].",
)
@click.option(
    "--images",
    "most",
    type=click.IntRange(min=1),
    metavar="N",
    help="Look at N of the training images, drawn at random  [default: all].",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    metavar="N",
    help="Images a pass.",
)
@click.option("--data", metavar="FOLDER|ZIP", help="Where the run's class folders are now, if they moved.")
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where tiny-imagenet or cifar10 lies now, if it moved.",
)
@rule_option("deconvnet")
@click.option(
    "--within",
    type=click.FloatRange(min=0, max=180, min_open=True),
    default=15.0,
    show_default=True,
    metavar="DEGREES",
    help="A layer has settled once its filters stay so near to their last state.",
)
@click.option("--each", is_flag=True, help="Also write every patch and projection as its own PNG.")
@click.option("--arrays", is_flag=True, help="Also write the numbers: NAME.npz.")
@seed_option()
@device_option()
@output_options()
def evolution(
    run: Path,
    layers: tuple[str, ...],
    units: tuple[int, ...],
    most: int | None,
    batch_size: int,
    data: str | None,
    data_root: Path | None,
    rule: str,
    within: float,
    each: bool,
    arrays: bool,
    seed: int,
    device: str,
    out: str | None,
    quiet: bool,
) -> None:
    """Follow units through the training of RUN, and tell when each layer stopped changing.

    RUN is the folder of a train-classifier run with --snapshots. At each snapshot all training images are
    looked at, without the crops and flips of training, and the activation that is a unit's strongest is
    projected back to pixels. A second figure shows how far each layer's filters were from their last state.
    Without --layer, the last layer of feature maps is shown.

    \b
        deconvviz evolution runs/mini --layer conv5
        deconvviz evolution runs/mini --layer conv1 --layer conv5 --units 3,7,12 --units 20 --out evolution/
    """
    from deconvviz.deconvnet import Rectification, Rules
    from deconvviz.experiments.evolution import evolution as evolved
    from deconvviz.models.ends import last_maps
    from deconvviz.training.snapshots import run_record, snapshots_of

    from .evolution_results import EvolutionResults, Followed, write_settling

    snapshots, record = snapshots_of(run), run_record(run)
    place, network = place_of(device), snapshots[-1].network()
    layers = layers or (last_maps(network),)
    for layer in layers:
        network.path_of(layer)
    name = run.resolve().name
    places = targets([name], layers, out, ending="_evolution")[0]
    check_places([place.figure for place in places])
    opened = _opened(run, record, data, data_root, network.input_size, quiet)
    found = evolved(
        snapshots,
        opened.train,
        layers,
        units or None,
        most=most,
        seed=seed,
        rules=Rules(Rectification(rule)),
        batch_size=batch_size,
        device=place,
        progress=not quiet,
    )
    followed = Followed(
        run, snapshots, network, opened, {"device": str(place), "seed": seed, "rule": rule}, bool(units)
    )
    for layer, target in zip(layers, places, strict=True):
        results = EvolutionResults(followed, found[layer])
        announce(results.figure(target.figure))
        if arrays:
            announce(results.arrays(target.figure.with_suffix(".npz")))
        if each:
            announce(*results.parts(target.parts))
        announce(results.manifest(target.figure.with_suffix(".json")))
    if len(snapshots) > 1:
        announce(*write_settling(followed, _beside(places[0].figure, name, out), within))
    elif not quiet:
        click.echo(
            f"note: {run} has one snapshot, that of epoch {snapshots[0].epoch}: it takes two to see when "
            "layers settle",
            err=True,
        )


def _beside(figure: Path, name: str, out: str | None) -> Path:
    """Where the second figure goes: under the run's name, or that of the file that was named."""
    named = out is not None and figure == Path(out)
    return figure.with_name(f"{figure.stem if named else name}_settling{figure.suffix}")


def _opened(
    run: Path, record: dict[str, Any], data: str | None, data_root: Path | None, side: int, quiet: bool
) -> DataSet:
    """The data set of a run as the run had it, from where it is now.

    Raises:
        TrainingError: the run does not say what it was, or it is not there any more.
    """
    from deconvviz.errors import DataError, TrainingError

    task = record.get("task")
    if not isinstance(task, dict):
        raise TrainingError(
            f"{run} was trained from Python and does not say how its images are opened: use "
            "deconvviz.evolution there"
        )
    source = Path(str(record["data"].get("source", "")))
    if data is None and data_root is None and task["data"] != "dead-leaves" and not source.exists():
        raise TrainingError(f"the images of {run} are not in {source} any more: {_MOVED}")
    root = data_root or task.get("data_root")
    options: dict[str, Any] = {
        **{name: task.get(name) for name in DATA_OPTIONS},
        "data": data or task["data"],
        "data_root": None if root is None else Path(root),
        "only": tuple(task.get("only") or ()),
    }
    try:
        found = opened_data(**options, seed=record["settings"]["seed"], side=side, quiet=quiet)
    except DataError as error:
        where = "" if "--data-root" in str(error) else f"; {_MOVED}"
        raise TrainingError(f"the images of {run} cannot be opened: {error}{where}") from None
    told = record["data"].get("training_images")
    if not quiet and len(found.train) != told:
        click.echo(f"note: {run} was trained on {told} images; there are {len(found.train)} now", err=True)
    return found
