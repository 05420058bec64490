"""``deconvviz saliency``: which pixels a class score hangs on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import image_arguments, model_option, output_options, rule_option, weights_options
from .session import SESSION_OPTIONS, announce, for_each_photo, open_session, pictures, targets

if TYPE_CHECKING:
    from deconvviz.data.images import Photo

_TOP = "top1"


@click.command()
@image_arguments()
@click.option(
    "--target",
    "asked",
    multiple=True,
    default=(_TOP,),
    show_default=True,
    callback=lambda _context, _option, names: tuple(dict.fromkeys(names)),
    metavar="CLASS|top1",
    help="Whose score: a class's name, WordNet id or number, or top1, the most probable class of each image; "
    "repeatable.",
)
@rule_option("gradient")
@click.option("--each", is_flag=True, help="Also write the input and every heat map and overlay as PNGs.")
@click.option("--arrays", is_flag=True, help="Also write the numbers: NAME.npz.")
@model_option()
@weights_options()
@output_options()
def saliency(
    images: tuple[Path, ...],
    sample: bool,
    asked: tuple[str, ...],
    rule: str,
    each: bool,
    arrays: bool,
    out: str | None,
    **options: Any,
) -> None:
    """Show which pixels of IMAGES move the score of a class.

    The score is differentiated with respect to the image; a pixel is the brighter, the more a small change of
    it moves the score. Works in any network, with branches as well. The map of the gradient rule is speckled
    by nature; the guided rule's is cleaner, and tells less about the class.

    \b
        deconvviz saliency cat.jpg
        deconvviz saliency dog.jpg --target "golden retriever" --target top1 --rule guided
        deconvviz saliency *.jpg --weights runs/pets --target n02123045 --arrays --out results/
    """
    paths = pictures(images, sample)
    places = targets([path.stem for path in paths], ["saliency"], out)
    session = open_session(**{name: options[name] for name in SESSION_OPTIONS})
    from deconvviz.deconvnet import Rectification
    from deconvviz.gradients.saliency import saliency as saliency_of
    from deconvviz.models.classes import class_number
    from deconvviz.training.predicting import predict

    from .saliency_results import SaliencyResults

    given = {text: class_number(session.network, text) for text in asked if text != _TOP}

    def work(i: int, photo: Photo) -> None:
        batch = session.see(photo.image)
        repeated = batch.expand(len(asked), -1, -1, -1)
        found = saliency_of(session.network, repeated, [*map(given.get, asked)], Rectification(rule))
        predicted = predict(session.network, batch, 3)[0]
        results = SaliencyResults(session, photo, batch, found, predicted, asked, Rectification(rule))
        place = places[i][0]
        announce(results.figure(place.figure))
        if arrays:
            announce(results.arrays(place.figure.with_suffix(".npz")))
        if each:
            announce(*results.parts(place.parts))
        announce(results.manifest(place.figure.with_suffix(".json")))

    for_each_photo(paths, work)
