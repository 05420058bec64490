"""``deconvviz occlude``: what a covered part of a picture takes from a class and from a feature map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .optimising import check_places
from .options import (
    image_arguments,
    layer_option,
    model_option,
    output_options,
    square_options,
    weights_options,
)
from .session import (
    SESSION_OPTIONS,
    announce,
    for_each_photo,
    open_session,
    pictures,
    targets,
    within_memory,
)

if TYPE_CHECKING:
    from deconvviz.data.images import Photo

_TOP = "top1"


@click.command()
@image_arguments()
@click.option(
    "--target",
    "asked",
    default=_TOP,
    show_default=True,
    metavar="CLASS|top1",
    help="Whose probability: a class's name, WordNet id or number, or top1, the most probable class of each "
    "image.",
)
@square_options()
@click.option(
    "--stride",
    type=click.IntRange(min=1),
    metavar="PIXELS",
    help="How far the square moves at a time  [default: 8 of 224, in proportion].",
)
@layer_option(required=False)
@click.option(
    "--unit",
    type=click.IntRange(min=0),
    metavar="N",
    help="Follow this map of the layer  [default: the strongest, summed over the uncovered image].",
)
@click.option(
    "--others",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PICTURE|FOLDER",
    help="Also show what makes the map fire in other pictures: in the three of these in which it fires most; "
    "repeatable.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    metavar="N",
    help="Places computed together: fewer take less memory, and give the same.",
)
@click.option("--each", is_flag=True, help="Also write the input and every map and tile as PNGs.")
@click.option("--arrays", is_flag=True, help="Also write the numbers: NAME.npz.")
@model_option()
@weights_options()
@output_options()
def occlude(
    images: tuple[Path, ...],
    sample: bool,
    asked: str,
    layers: tuple[str, ...],
    unit: int | None,
    others: tuple[Path, ...],
    each: bool,
    arrays: bool,
    out: str | None,
    **options: Any,
) -> None:
    """Cover a part of IMAGES and see what the network loses.

    A square slides over each image. For every place the figure shows how much is left of one feature map's
    activity (of the last convolution, or of the one layer that --layer names), the probability of the class,
    and the most probable class; beside them, what in the image made the map fire, by the deconvnet.

    \b
        deconvviz occlude cat.jpg
        deconvviz occlude dog.jpg --target "golden retriever" --size 30 --stride 4 --fill blur
        deconvviz occlude *.jpg --weights runs/pets --others photos/ --arrays --out results/
    """
    if len(layers) > 1:
        raise click.UsageError(f"one map is followed: give --layer once, not {len(layers)} times")
    paths = pictures(images, sample)
    places = targets([path.stem for path in paths], ["occlude"], out)
    check_places([row[0].figure for row in places])
    session = open_session(**{name: options[name] for name in SESSION_OPTIONS})
    from tqdm import tqdm

    from deconvviz.experiments.occlusion import occlude as occluded
    from deconvviz.experiments.occlusion import squares_of
    from deconvviz.experiments.squares import in_proportion
    from deconvviz.models.classes import class_number

    from .occlude_others import Others, firing_of
    from .occlude_results import OcclusionResults

    network, side = session.network, session.network.input_size
    size, stride = options["size"] or in_proportion(50, side), options["stride"] or in_proportion(8, side)
    steps = squares_of((side, side), size, stride)[..., 0].numel()
    layer = layers[0] if layers else None
    if layer is not None:
        network.path_of(layer)  # a typing mistake shall not wait for the images
    target = None if asked == _TOP else class_number(network, asked)
    gallery = Others(session, others, options["quiet"])

    def work(i: int, photo: Photo) -> None:
        batch = session.see(photo.image)
        with (
            tqdm(total=steps, desc=photo.name, unit="place", disable=options["quiet"]) as bar,
            within_memory(session, options["batch_size"]),
        ):
            found = occluded(
                network,
                batch,
                target=target,
                layer=layer,
                channel=unit,
                size=size,
                stride=stride,
                fill=options["fill"],
                seed=options["seed"],
                batch_size=options["batch_size"],
                advance=bar.update,
            )
        shown = [firing_of(session, photo, batch, found.layer, found.channel)]
        shown += gallery.strongest(found.layer, found.channel, but=photo.sha256)
        results = OcclusionResults(session, photo, batch, found, shown, asked, options["fill"])
        place = places[i][0]
        announce(results.figure(place.figure))
        if arrays:
            announce(results.arrays(place.figure.with_suffix(".npz")))
        if each:
            announce(*results.parts(place.parts))
        announce(results.manifest(place.figure.with_suffix(".json")))

    for_each_photo(paths, work)
