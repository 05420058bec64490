"""``deconvviz ablate``: how much of a projection comes from mask, switches and backward ReLU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .optimising import check_places
from .options import image_arguments, layer_option, model_option, output_options, weights_options
from .session import SESSION_OPTIONS, announce, for_each_photo, open_session, pictures, targets
from .units import unit_option, unit_place

if TYPE_CHECKING:
    from deconvviz.data.images import Photo


@click.command()
@image_arguments()
@layer_option()
@click.option(
    "--topk",
    type=click.IntRange(min=1),
    metavar="K",
    help="How many units, the strongest feature maps each at its strongest place  [default: 1].",
)
@unit_option()
@click.option(
    "--from",
    "source",
    type=click.Choice(["strongest", "map", "layer"]),
    default="strongest",
    show_default=True,
    help="Start from a one at the unit, or from the values of its whole feature map or of the whole layer.",
)
@click.option(
    "--lrn",
    type=click.Choice(["identity", "transpose", "both"]),
    default="both",
    show_default=True,
    help="Contrast normalisation on the way down, in networks that have it: passed unchanged, or its exact "
    "transpose.",
)
@click.option(
    "--draws",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    metavar="N",
    help="How many networks with random weights the numbers are averaged over; the first is shown.",
)
@click.option(
    "--random",
    "initialisation",
    type=click.Choice(["gaussian", "own"]),
    default="gaussian",
    show_default=True,
    help="Random weights as in the paper, normal of mean 0 and deviation 0.01 without biases, or each "
    "layer's own initialisation, as 'randomise' draws it.",
)
@click.option(
    "--random-unit",
    type=click.Choice(["place", "same", "own"]),
    default="place",
    show_default=True,
    help="What stands for a unit where weights are random: the strongest channel at its place, the same "
    "channel and place (often off), or that network's own strongest unit.",
)
@click.option("--each", is_flag=True, help="Also write every patch and projection as its own PNG.")
@click.option("--arrays", is_flag=True, help="Also write the numbers: NAME.npz.")
@model_option()
@weights_options()
@output_options()
def ablate(
    images: tuple[Path, ...],
    sample: bool,
    layers: tuple[str, ...],
    topk: int | None,
    units: tuple[str, ...],
    source: str,
    lrn: str,
    out: str | None,
    each: bool,
    arrays: bool,
    **options: Any,
) -> None:
    """Take the deconvnet apart: what of a projection is due to mask, switches and backward ReLU?

    The strongest unit of a layer is projected in all eight combinations of three choices: is the signal cut
    where a rectifier was off, does it go back to where each maximum came from, is it clamped at zero? Three
    of the eight are the gradient (SaliNet), the deconvnet and guided backpropagation (DeSaliNet). Beside them
    stand the same by networks with random weights, and how much of the image each picture explains.

    Each figure has its numbers beside it as CSV. For several images ablate_LAYER_means.csv holds means and
    standard deviations over them, drawn in ablate_LAYER_means.png.

    \b
        deconvviz ablate cat.jpg --layer conv5
        deconvviz ablate *.jpg --layer conv3 --layer conv5 --draws 10 --out ablations/
    """
    named = [unit_place(unit) for unit in units]
    if named and topk:
        raise click.UsageError("--unit names the units; --topk chooses them: give one or the other")
    if source == "layer" and (named or topk):
        raise click.UsageError("--from layer starts from all units: leave --unit and --topk away")
    paths = pictures(images, sample)
    places = targets([path.stem for path in paths], layers, out, ending="_ablate")
    means = targets(["ablate"], layers, str(places[0][0].figure.parent) + "/", ending="_means")[0]
    if len(paths) > 1:
        check_places([target.figure for target in means])
    seed, quiet = options["seed"], options["quiet"]
    session = open_session(**{name: options.pop(name) for name in SESSION_OPTIONS})
    from tqdm import tqdm

    from deconvviz.deconvnet import Unit, record, strongest
    from deconvviz.errors import ImageError
    from deconvviz.experiments.ablation import ablate as ablated
    from deconvviz.experiments.ablation import normalises
    from deconvviz.experiments.combinations import combinations

    from .ablate_results import AblationResults, write_means

    settings = {"source": source, "draws": options["draws"], **options}
    done: dict[str, list[AblationResults]] = {layer: [] for layer in layers}

    def work(i: int, photo: Photo) -> None:
        batch = session.see(photo.image)
        trace = record(session.network, batch, layers, masks=False, inputs=False)
        for layer, target in zip(layers, places[i], strict=True):
            chosen = [Unit(layer, *place) for place in named] or strongest(trace, layer, topk or 1)
            if not named and not bool((trace.features(layer) > 0).any()):
                raise ImageError(f"{photo.name}: {layer} has no positive activation; name a unit with --unit")
            ways = combinations(lrn if normalises(trace, layer) else "identity")
            total = 1 + options["draws"]
            with tqdm(total=total, desc=f"{photo.name} {layer}", unit="network", disable=quiet) as bar:
                found = ablated(
                    session.network,
                    batch,
                    chosen,
                    combinations=ways,
                    seed=seed,
                    advance=bar.update,
                    **settings,
                )
            by = "unit" if named else "strongest"
            results = AblationResults(session, photo, batch, layer, found, {"chosen_by": by, **settings})
            announce(results.figure(target.figure), results.table(target.figure.with_suffix(".csv")))
            if arrays:
                announce(results.arrays(target.figure.with_suffix(".npz")))
            if each:
                announce(*results.parts(target.parts))
            announce(results.manifest(target.figure.with_suffix(".json")))
            done[layer].append(results)

    failed: ImageError | None = None
    try:
        for_each_photo(paths, work)
    except ImageError as error:
        failed = error  # the others have their means all the same
    for layer, target in zip(layers, means, strict=True):
        if len(done[layer]) > 1:
            announce(*write_means(target.figure, done[layer], quiet))
    if failed is not None:
        raise failed
