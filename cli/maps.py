"""``deconvviz maps``: all feature maps of a layer as one labelled grid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import (
    drawing_options,
    image_arguments,
    layer_option,
    model_option,
    output_options,
    weights_options,
)
from .session import Session, announce, for_each_photo, open_session, pictures, targets

if TYPE_CHECKING:
    from torch import Tensor


@click.command()
@image_arguments()
@layer_option()
@click.option(
    "--topk", type=click.IntRange(min=1), help="Only the strongest maps, strongest first  [default: all]."
)
@click.option("--each", is_flag=True, help="Also write every map as its own PNG.")
@click.option("--arrays", is_flag=True, help="Also write the raw values: NAME.npz.")
@drawing_options()
@model_option()
@weights_options()
@output_options()
def maps(
    images: tuple[Path, ...],
    sample: bool,
    layers: tuple[str, ...],
    topk: int | None,
    each: bool,
    arrays: bool,
    scale: str,
    out: str | None,
    **session_options: Any,
) -> None:
    """Draw all feature maps of a layer for IMAGES as one grid.

    Every map stands under its unit's number; maps without a positive activation are marked dead. A fully
    connected layer is drawn as one sheet of cells.

    \b
        deconvviz maps cat.jpg --layer conv2
        deconvviz maps cat.jpg --layer conv5 --topk 16 --each --out maps/
    """
    paths = pictures(images, sample)
    places = targets([path.stem for path in paths], layers, out, ending="_maps")
    session = open_session(**session_options)
    from deconvviz.data.images import Photo
    from deconvviz.deconvnet import record, strongest
    from deconvviz.figures import maps_figure, save_figure
    from deconvviz.runs import short_form, write_arrays, write_json

    def work(i: int, photo: Photo) -> None:
        batch = session.see(photo.image)
        trace = record(session.network, batch, layers, masks=False, inputs=False)
        for layer, target in zip(layers, places[i], strict=True):
            features = trace.features(layer)[0].cpu()
            if topk is not None:
                channels = [unit.channel for unit in strongest(trace, layer, topk)]
            else:
                channels = list(range(len(features)))
            if features.ndim == 1 and each:
                raise click.UsageError(
                    f"{layer} has single values, not maps: --each has nothing to draw; take --arrays"
                )
            figure = maps_figure(
                session.network.pixels(batch)[0],
                features,
                channels,
                title=f"{photo.name}: {_title(layer, features, channels)}",
                caption=f"{session.network.name}, weights {session.network.origin.label}",
                names=session.network.class_names(layer, channels),
                scale=scale,
            )
            facts = session.manifest(
                image={"name": photo.name, "sha256": photo.sha256},
                layer=layer,
                module=session.network.path_of(layer),
                scale=scale,
                channels=channels,
                dead=[c for c in channels if not bool((features[c] > 0).any())],
            )
            written = [save_figure(figure, target.figure, short_form(facts))]
            if arrays:
                path = target.figure.with_suffix(".npz")
                written.append(write_arrays(path, maps=features[channels].float().numpy(), channel=channels))
            if each:
                written += _save_each(session, target.parts, features, channels, scale)
            written.append(write_json(target.figure.with_suffix(".json"), facts))
            announce(*written)

    for_each_photo(paths, work)


def _title(layer: str, features: Tensor, channels: list[int]) -> str:
    what, count = ("maps" if features.ndim > 1 else "units"), len(features)
    if len(channels) == count:
        return f"all {count} {what} of {layer}"
    return f"the {len(channels)} strongest of {layer}'s {count} {what}"


def _save_each(
    session: Session, folder: Path, features: Tensor, channels: list[int], scale: str
) -> list[Path]:
    from deconvviz.figures.maps import map_scale, map_tile
    from deconvviz.figures.parts import save_tile
    from deconvviz.runs import short_form

    shared = map_scale(features[channels])
    facts = short_form(session.manifest(layer=folder.name))
    return [
        save_tile(
            map_tile(features[c], shared if scale == "shared" else map_scale(features[c])),
            folder / f"unit_{c:04d}.png",
            facts,
        )
        for c in channels
    ]
