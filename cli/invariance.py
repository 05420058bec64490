"""``deconvviz invariance``: how far features move when the photograph does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deconvviz.errors import ModelError

from .optimising import check_places
from .options import image_arguments, layer_option, model_option, output_options, weights_options
from .session import SESSION_OPTIONS, Session, announce, open_session, pictures, targets, within_memory

if TYPE_CHECKING:
    from torch import Tensor

_MOST = 9  # images whose lines can be told apart by colour


@click.command()
@image_arguments()
@layer_option(required=False)
@click.option(
    "--target",
    "asked",
    multiple=True,
    metavar="CLASS",
    help="The true class, by name, WordNet id or number: once for all images, or once for each in order  "
    "[default: what the network takes each image for, as it is].",
)
@click.option(
    "--translate",
    type=click.IntRange(min=1),
    metavar="PIXELS",
    help="Move the image up and down by so much  [default: 60 of 224, in proportion].",
)
@click.option(
    "--scale-to",
    type=float,
    default=1.8,
    show_default=True,
    metavar="FACTOR",
    help="Enlarge the image up to this; below 1, make it smaller.",
)
@click.option(
    "--rotate-to",
    type=float,
    default=360.0,
    show_default=True,
    metavar="DEGREES",
    help="Turn the image up to this, anticlockwise; below 0, clockwise.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=2),
    default=25,
    show_default=True,
    metavar="N",
    help="Points of each curve; a translation has one more where N is even, for zero is among them.",
)
@click.option(
    "--fill",
    type=click.Choice(["edge", "grey", "mean"]),
    default="edge",
    show_default=True,
    help="What comes in from beyond the photograph: the colour of its nearest pixel, mid-grey, or the colour "
    "that the network subtracts. The latter two have an edge that the first layers see.",
)
@click.option(
    "--crop-first",
    is_flag=True,
    help="Fill also where the photograph goes on beyond what the network is shown of it.",
)
@click.option(
    "--relative", is_flag=True, help="Divide distances by the length of the untransformed features."
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    metavar="N",
    help="Images that go through the network together: fewer take less memory, and give the same.",
)
@click.option("--arrays", is_flag=True, help="Also write the numbers: NAME.npz.")
@model_option()
@weights_options()
@output_options()
def invariance(
    images: tuple[Path, ...],
    sample: bool,
    layers: tuple[str, ...],
    asked: tuple[str, ...],
    translate: int | None,
    scale_to: float,
    rotate_to: float,
    steps: int,
    fill: str,
    crop_first: bool,
    relative: bool,
    batch_size: int,
    arrays: bool,
    out: str | None,
    **options: Any,
) -> None:
    """Move, enlarge and turn IMAGES, and see how far features move and whether the class stays.

    One figure for up to nine images, a line each: the Euclidean distance of a layer's features to those of
    the untransformed image, by default at the first convolution and at the last layer before the scores, and
    the probability of the class. Works in any network, with branches as well.

    \b
        deconvviz invariance cat.jpg dog.jpg --target "Egyptian cat" --target Chihuahua
        deconvviz invariance cat.jpg --layer conv1 --layer conv5 --layer fc7 --relative --arrays
        deconvviz invariance *.jpg --rotate-to 90 --translate 100 --steps 51 --fill mean
    """
    paths = pictures(images, sample)
    if len(paths) > _MOST:
        raise click.UsageError(f"{len(paths)} images for one figure: name at most {_MOST}")
    if len(asked) not in (0, 1, len(paths)):
        raise click.UsageError(
            f"--target is given {len(asked)} times for {len(paths)} images: give it once, or once for each"
        )
    stem = paths[0].stem if len(paths) == 1 else "pictures"
    place = targets([stem], ["invariance"], out)[0][0].figure
    check_places([place])
    from deconvviz.data.images import open_photo

    photos = [open_photo(path) for path in paths]  # a bad one is told before anything is computed
    session = open_session(**{name: options[name] for name in SESSION_OPTIONS})
    import torch
    from tqdm import tqdm

    from deconvviz.experiments.invariance import invariance as found_for
    from deconvviz.experiments.invariance import planned
    from deconvviz.experiments.scenes import scene_of
    from deconvviz.experiments.transforms import does_nothing
    from deconvviz.models.classes import class_number

    from .invariance_results import InvarianceResults

    network, quiet = session.network, options["quiet"]
    plan = planned(network.input_size, translate, scale_to, rotate_to, steps)
    named = [class_number(network, text) for text in asked]
    for layer in layers:
        network.path_of(layer)  # a typing mistake shall not wait for the images
    scenes = [scene_of(network, p.image, fill=fill, cropped=crop_first).to(session.device) for p in photos]
    whole = torch.stack([scene.shown for scene in scenes])
    scores = bool(named) or _scores(session, whole, quiet)
    views = 1 + sum(not does_nothing(kind, x) for kind, xs in plan.items() for x in xs)
    with (
        tqdm(total=len(photos) * views, desc="transforming", unit="img", disable=quiet) as bar,
        within_memory(session, batch_size),
    ):
        found = found_for(
            network,
            scenes,
            layers or None,
            targets=named * len(photos) if len(named) == 1 else named or None,
            scores=scores,
            translate=translate,
            scale_to=scale_to,
            rotate_to=rotate_to,
            steps=steps,
            batch_size=batch_size,
            advance=bar.update,
        )
    given = {"fill": fill, "crop_first": crop_first, "relative": relative, "steps": steps}
    shown = found.in_lengths() if relative else found
    results = InvarianceResults(session, photos, scenes, shown, asked, given)
    if not asked and scores and not quiet:
        click.echo(f"note: no --target: {results.taken_for}", err=True)
    announce(results.figure(place))
    if arrays:
        announce(results.arrays(place.with_suffix(".npz")))
    announce(results.manifest(place.with_suffix(".json")))


def _scores(session: Session, whole: Tensor, quiet: bool) -> bool:
    """Whether the network scores classes; says so where it does not."""
    from deconvviz.training.predicting import predict

    try:
        predict(session.network, whole, 1)
    except ModelError as error:
        if not quiet:
            click.echo(f"note: no probabilities are shown: {error}", err=True)
        return False
    return True
