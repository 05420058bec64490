"""``deconvviz invert``: images in which a layer sees what it saw in a photograph."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deconvviz.errors import ImageError

from .optimising import check_places, end_as, search_options, shown_progress
from .options import image_arguments, layer_option, model_option, output_options, weights_options
from .session import (
    SESSION_OPTIONS,
    Session,
    announce,
    for_each_photo,
    open_session,
    pictures,
    targets,
    within_memory,
)

if TYPE_CHECKING:
    from torch import Tensor

    from deconvviz.data.images import Photo

_NAMED = 4  # so many layers have an error of their own in the progress bar


@click.command()
@image_arguments()
@layer_option()
@click.option(
    "--preset",
    type=click.Choice(["best", "mahendran2015", "mahendran2016"]),
    default="best",
    show_default=True,
    help="best: our own, Adam on Fourier coefficients; comes closest, in the fewest steps. mahendran2015: "
    "alpha-norm, total variation and gradient descent, as in Mahendran & Vedaldi 2015. mahendran2016: colour "
    "norm, jitter and AdaGrad, as in theirs of 2016.",
)
@click.option(
    "--restarts",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="How often each is started, from other noise; the one with the lowest feature error is taken.",
)
@search_options()
@click.option("--each", is_flag=True, help="Also write the input and every pre-image as its own PNG.")
@click.option("--arrays", is_flag=True, help="Also write NAME.npz: input, preimage, layer, curve.")
@model_option()
@weights_options()
@output_options()
def invert(
    images: tuple[Path, ...],
    sample: bool,
    layers: tuple[str, ...],
    preset: str,
    iterations: int | None,
    restarts: int,
    batch_size: int,
    each: bool,
    arrays: bool,
    out: str | None,
    **options: Any,
) -> None:
    """Find images in which a layer sees what it saw in IMAGES.

    Each pre-image is found by optimisation, from noise: what is sharp in it the layer has kept, what is wrong
    in it the layer does not tell apart. Ctrl-C ends the search, and what was found so far is written. Works
    in any network, with branches as well.

    \b
        deconvviz invert cat.jpg --layer conv1 --layer conv3 --layer conv5 --layer fc8
        deconvviz invert cat.jpg dog.jpg --layer conv5 --restarts 3 --each --arrays --out inverted/
        deconvviz invert cat.jpg --layer conv3 --preset mahendran2016 --iterations 200
    """
    paths = pictures(images, sample)
    places = targets([path.stem for path in paths], ["inversion"], out)
    check_places([place.figure for (place,) in places])
    session = open_session(**{name: options[name] for name in SESSION_OPTIONS})
    for layer in layers:
        session.network.path_of(layer)  # a typing mistake shall not wait for the images
    import torch

    from deconvviz.preimage.inversion import invert as inverted

    from .invert_results import InversionResults

    seen: list[tuple[int, Photo, Tensor]] = []

    def work(i: int, photo: Photo) -> None:
        seen.append((i, photo, _seen(session, photo, layers)))

    bad = None
    try:
        for_each_photo(paths, work)
    except ImageError as error:
        if not seen:
            raise
        bad = error
    start = time.perf_counter()
    with (
        shown_progress("inverting", options["quiet"], lambda errors: _said(layers, errors)) as watch,
        within_memory(session, batch_size, ", fewer --restarts or fewer images at once"),
    ):
        found = inverted(
            session.network,
            torch.cat([batch for _, _, batch in seen]),
            layers,
            preset,
            restarts=restarts,
            iterations=iterations,
            seed=options["seed"],
            at_once=batch_size,
            watch=watch,
        )
    if found.stopped == "interrupted" and not len(found.curve):
        raise KeyboardInterrupt  # and there is nothing yet to be shown
    facts = {"preset": preset, "seconds": round(time.perf_counter() - start, 2)}
    for number, (i, photo, batch) in enumerate(seen):
        results, place = InversionResults(session, photo, batch, found, number, facts), places[i][0]
        announce(results.figure(place.figure))
        if arrays:
            announce(results.arrays(place.figure.with_suffix(".npz")))
        if each:
            announce(*results.parts(place.parts))
        announce(results.manifest(place.figure.with_suffix(".json")))
    if bad is not None and found.stopped:
        click.echo(f"deconvviz: {bad}", err=True)
    end_as(found.stopped, found.slower, options["quiet"])
    if bad is not None:
        raise bad


def _seen(session: Session, photo: Photo, layers: Sequence[str]) -> Tensor:
    """The photograph as the network sees it.

    Raises:
        ImageError: a layer sees nothing in it.
    """
    from deconvviz.deconvnet import record

    batch = session.see(photo.image)
    trace = record(session.network, batch, layers, masks=False, inputs=False)
    for layer in layers:
        if not trace.features(layer).any():
            raise ImageError(f"{photo.name}: {layer} is zero all over, there is nothing to invert")
    return batch


def _said(layers: Sequence[str], errors: Tensor) -> str:
    """The errors (N, L, R) of a step in a few words, a layer each where they are few."""
    means = errors.mean((0, 2)).tolist()
    if len(means) > _NAMED:
        return f"feature error mean {sum(means) / len(means):.3f}"
    said = ", ".join(f"{layer} {mean:.3f}" for layer, mean in zip(layers, means, strict=True))
    return f"feature error {said}"
