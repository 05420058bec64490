"""``deconvviz filters``: the kernels of a convolution."""

from __future__ import annotations

from typing import Any

import click

from .options import drawing_options, layer_option, model_option, output_options, weights_options
from .session import announce, open_session, targets


@click.command()
@layer_option()
@click.option(
    "--unit", "units", multiple=True, type=click.IntRange(min=0), help="Only this unit; repeatable."
)
@drawing_options()
@model_option()
@weights_options()
@output_options()
def filters(
    layers: tuple[str, ...], units: tuple[int, ...], scale: str, out: str | None, **session_options: Any
) -> None:
    """Draw the kernels of a convolution.

    Kernels that see pixels are drawn in colour, those of deeper layers as a table: a row a unit, a column
    an input map.

    \b
        deconvviz filters --layer conv1
        deconvviz filters --layer conv2 --unit 0 --unit 7 --out kernels.pdf
    """
    session = open_session(**session_options)
    places = targets([session.network.name.replace(":", "_")], layers, out, ending="_filters")[0]
    from deconvviz.errors import UnitError
    from deconvviz.figures import filters_figure, save_figure
    from deconvviz.models.network import kernels_of
    from deconvviz.runs import short_form, write_json

    for layer, target in zip(layers, places, strict=True):
        path, weight = kernels_of(session.network, layer)
        unknown = [unit for unit in units if unit >= len(weight)]
        if unknown:
            raise UnitError(
                f"no unit {unknown[0]} in {layer}: it has {len(weight)} units, 0 to {len(weight) - 1}"
            )
        channels = list(units) or list(range(len(weight)))
        count, inputs, height, width = weight.shape
        size = f"{inputs}×{height}×{width}"
        figure = filters_figure(
            weight,
            channels,
            title=f"{session.network.name}: {len(channels)} of {count} kernels of {layer}, {size}",
            caption=f"weights {session.network.origin.label}",
            scale=scale,
        )
        facts = session.manifest(layer=layer, module=path, channels=channels, scale=scale)
        written = save_figure(figure, target.figure, short_form(facts))
        announce(written, write_json(target.figure.with_suffix(".json"), facts))
