"""``deconvviz segment``: the object that a class score hangs on, cut out of its photograph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import image_arguments, model_option, output_options, rule_option, weights_options
from .session import SESSION_OPTIONS, Session, announce, for_each_photo, open_session, pictures, targets

if TYPE_CHECKING:
    from torch import Tensor

    from deconvviz.data.images import Photo
    from deconvviz.gradients.saliency import Saliency
    from deconvviz.gradients.segmentation import Segmentation

_TOP = "top1"
_QUANTILE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command()
@image_arguments()
@click.option(
    "--target",
    "asked",
    default=_TOP,
    show_default=True,
    metavar="CLASS|top1",
    help="Whose score: a class's name, WordNet id or number, or top1, the most probable class of each image.",
)
@rule_option("gradient")
@click.option(
    "--foreground",
    type=_QUANTILE,
    default=0.95,
    show_default=True,
    metavar="QUANTILE",
    help="Pixels of a saliency above this quantile teach the object's colours.",
)
@click.option(
    "--background",
    type=_QUANTILE,
    default=0.30,
    show_default=True,
    metavar="QUANTILE",
    help="Pixels below this quantile teach the background's colours.",
)
@click.option(
    "--pinned",
    type=click.FloatRange(0, 0.5),
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="The share of pixels, of the most salient and of the least, that stay on their side whatever their "
    "colour, such as 0.005.",
)
@click.option(
    "--iterations",
    type=click.IntRange(0, 100),
    default=1,
    show_default=True,
    metavar="N",
    help="How often to learn the colours anew from the cut and to cut again; 0 is the published form.",
)
@click.option("--arrays", is_flag=True, help="Also write the numbers: NAME.npz.")
@model_option()
@weights_options()
@output_options()
def segment(
    images: tuple[Path, ...],
    sample: bool,
    asked: str,
    rule: str,
    arrays: bool,
    out: str | None,
    **options: Any,
) -> None:
    """Cut the object out of IMAGES that a class score hangs on.

    The network was never shown an outline: the most salient pixels teach the object's colours, the least
    salient ones the background's, and a graph cut finds the border. Works best where the two differ in
    colour. Beside the figure go NAME_mask.png and NAME_overlay.png, of what the network saw (with finer
    pixels where it saw few), and the box as JSON, also in the photograph's own pixels.

    \b
        deconvviz segment cat.jpg
        deconvviz segment dog.jpg --target "golden retriever" --rule guided
        deconvviz segment *.jpg --weights runs/pets --iterations 0 --arrays --out results/
    """
    if options["foreground"] <= options["background"]:
        raise click.UsageError(
            f"--foreground {options['foreground']:g} must be above --background {options['background']:g}"
        )
    paths = pictures(images, sample)
    places = targets([path.stem for path in paths], ["segment"], out)
    session = open_session(**{name: options.pop(name) for name in SESSION_OPTIONS})
    from deconvviz.deconvnet import Rectification
    from deconvviz.errors import ImageError
    from deconvviz.gradients.saliency import saliency
    from deconvviz.gradients.segmentation import closer
    from deconvviz.gradients.segmentation import segment as segmented
    from deconvviz.models.classes import class_number
    from deconvviz.runs import write_json

    given = None if asked == _TOP else [class_number(session.network, asked)]

    def work(i: int, photo: Photo) -> None:
        batch = session.see(photo.image)
        salient = saliency(session.network, batch, given, Rectification(rule))
        pixels = closer(session.network, photo.image)
        try:
            found = segmented(pixels, salient.maps[0], **options, seed=session.facts["seed"])
        except ImageError as error:
            raise ImageError(f"{photo.name}: {error}") from None
        told = _told(session, photo, salient, found, {"rule": rule, **options})
        place = places[i][0].figure
        announce(*_pictures(session, photo, pixels, salient, found, told, place))
        if arrays:
            announce(_arrays(batch, salient, found, place.with_suffix(".npz")))
        announce(write_json(place.with_suffix(".json"), told))

    for_each_photo(paths, work)


def _told(
    session: Session, photo: Photo, salient: Saliency, found: Segmentation, settings: dict[str, Any]
) -> dict[str, Any]:
    """What made the result, and the box and all else that is a number of the whole."""
    from deconvviz.gradients.segmentation import in_photograph
    from deconvviz.models.classes import class_title

    width, height = photo.image.size
    times = len(found.mask) // session.network.input_size
    own = in_photograph(found.box, photo.image.size, session.network)
    boxes = {"mask": found.box, "seen": found.box.coarser(times), "photograph": own}
    return session.manifest(
        image={"name": photo.name, "sha256": photo.sha256, "width": width, "height": height},
        target=salient.targets[0],
        **{"class": class_title(session.network, salient.targets[0])},
        score=salient.scores[0].item(),
        probability=salient.probabilities[0].item(),
        **settings,
        foreground_above=found.foreground_above,
        background_below=found.background_below,
        mask={"width": found.mask.shape[1], "height": found.mask.shape[0], "share": found.share},
        box={name: box._asdict() for name, box in boxes.items()},
    )


def _pictures(
    session: Session,
    photo: Photo,
    pixels: Tensor,
    salient: Saliency,
    found: Segmentation,
    told: dict[str, Any],
    place: Path,
) -> list[Path]:
    """Writes the figure, the mask and the overlay."""
    from deconvviz.figures import save_figure, segmentation_figure
    from deconvviz.figures.parts import save_tile
    from deconvviz.figures.segmentation import mask_tile, object_tile
    from deconvviz.runs import short_form
    from deconvviz.tiles import photo_tile

    network, facts = session.network, short_form(told)
    figure = segmentation_figure(
        pixels,
        salient.maps[0],
        found,
        title=f"{photo.name}: the object that the score of {told['class']} hangs on",
        caption=f"{network.name}, weights {network.origin.label}, {told['rule']} rule",
        taken_for=f"{told['class']}: {100 * told['probability']:.1f} %",
        where="in the photograph {width} x {height},\nfrom row {top}, column {left}".format(
            **told["box"]["photograph"]
        ),
    )
    overlay = object_tile(photo_tile(pixels.cpu().numpy()), found.mask)
    return [
        save_figure(figure, place, facts),
        save_tile(mask_tile(found.mask), place.with_name(f"{place.stem}_mask.png"), facts),
        save_tile(overlay, place.with_name(f"{place.stem}_overlay.png"), facts),
    ]


def _arrays(batch: Tensor, salient: Saliency, found: Segmentation, path: Path) -> Path:
    """Writes the numbers; `seeds` is 1 where a pixel taught the object's colours, -1 the background's.

    The mask, the box and the seeds are as fine as the picture that was cut; see `closer`.
    """
    from deconvviz.runs import write_arrays

    return write_arrays(
        path,
        input=batch[0].cpu().numpy(),
        saliency=salient.maps[0].float().cpu().numpy(),
        mask=found.mask,
        box=found.box,
        seeds=found.foreground_seeds.astype("int8") - found.background_seeds.astype("int8"),
    )
