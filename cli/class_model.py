"""``deconvviz class-model``: the images that classes, or other units, answer to most."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .optimising import check_places, end_as, search_options, shown_progress
from .options import layer_option, model_option, output_options, weights_options
from .session import SESSION_OPTIONS, announce, open_session, targets

_LONGEST = 60  # letters of a class's name in that of a file


@click.command("class-model")
@click.option(
    "--target",
    "asked",
    multiple=True,
    metavar="CLASS",
    help="A class's name, WordNet id or number; repeatable, all are found in one batch.",
)
@layer_option(required=False)
@click.option(
    "--unit",
    "units",
    type=click.IntRange(min=0),
    multiple=True,
    metavar="N",
    help="In place of classes: this unit of the one --layer; repeatable.",
)
@click.option(
    "--place",
    type=click.Choice(["centre", "everywhere"]),
    default="centre",
    show_default=True,
    help="Of a unit's map: raise the activation at its centre, or the mean of all.",
)
@click.option(
    "--preset",
    type=click.Choice(["legible", "simonyan2013"]),
    default="legible",
    show_default=True,
    help="legible: with blur, shifts, total variation and leaky rectifiers, which keep out grain and are not "
    "the network's own. simonyan2013: the published form, gradient ascent under an L2 penalty and nothing "
    "else.",
)
@search_options()
@click.option("--each", is_flag=True, help="Also write every image as its own PNG.")
@click.option("--arrays", is_flag=True, help="Also write the numbers: NAME.npz.")
@model_option()
@weights_options()
@output_options()
def class_model(
    asked: tuple[str, ...],
    layers: tuple[str, ...],
    units: tuple[int, ...],
    place: str,
    preset: str,
    iterations: int | None,
    batch_size: int,
    each: bool,
    arrays: bool,
    out: str | None,
    **options: Any,
) -> None:
    """Find the images that classes, or other units, answer to most.

    No photograph is used: each image is found by raising the class's score, from plain grey, and shows what
    the network asks for, not what the class looks like. Ctrl-C ends the search, and what was found so far is
    written. Works in any network, with branches as well.

    \b
        deconvviz class-model --target "golden retriever" --target n02123045 --target 985
        deconvviz class-model --target goldfish --preset simonyan2013 --each --arrays
        deconvviz class-model --layer conv5 --unit 3 --unit 17 --place everywhere
    """
    _check_usage(asked, layers, units)
    targets(["class"], ["models"], out)  # a wrong --out is told before anything is loaded
    session = open_session(**{name: options[name] for name in SESSION_OPTIONS})
    from deconvviz.models.classes import class_number
    from deconvviz.preimage.class_models import class_models

    from .class_model_results import ClassModelResults, titles

    network, layer = session.network, layers[0] if layers else ""
    numbers = list(dict.fromkeys(units or (class_number(network, text) for text in asked)))
    names = titles(network, layer, numbers)
    figure = _place_of(layer, numbers, names, out)
    parts = figure.with_suffix("")
    check_places([figure, *([parts / "image.png"] if each else [])])
    measured = "activation" if layer else "score"
    start = time.perf_counter()
    with shown_progress(
        "climbing", options["quiet"], lambda values: f"mean {measured} {values.mean().item():.3g}"
    ) as watch:
        found = class_models(
            network,
            numbers,
            preset,
            layer=layer,
            place="centre" if place == "centre" else "everywhere",
            iterations=iterations,
            seed=options["seed"],
            at_once=batch_size,
            watch=watch,
        )
    if found.stopped == "interrupted" and not len(found.curve):
        raise KeyboardInterrupt  # and there is nothing yet to be shown
    seconds = round(time.perf_counter() - start, 2)
    results = ClassModelResults(session, found, layer, numbers, names, preset, seconds)
    announce(results.figure(figure))
    if arrays:
        announce(results.arrays(figure.with_suffix(".npz")))
    if each:
        announce(*results.parts(parts))
    announce(results.manifest(figure.with_suffix(".json")))
    if not options["quiet"]:
        _tell_what_is_off([numbers[k] for k in results.inactive], layer, preset)
    end_as(found.stopped, found.slower, options["quiet"], results.advice)


def _check_usage(asked: Sequence[str], layers: Sequence[str], units: Sequence[int]) -> None:
    """Whether it is said whose images are wanted, and only once."""
    if asked and (layers or units):
        raise click.UsageError(
            "--target names classes, --layer with --unit any other units: give one or the other"
        )
    if len(layers) > 1:
        raise click.UsageError(f"{len(layers)} layers: give one --layer, and its units with --unit")
    if layers and not units:
        raise click.UsageError(f"say which units of {layers[0]}, with --unit")
    if units and not layers:
        raise click.UsageError("say whose units they are, with --layer")
    if not (asked or layers):
        raise click.UsageError("name classes with --target, or units with --layer and --unit")


def _place_of(layer: str, numbers: Sequence[int], names: Sequence[str], out: str | None) -> Path:
    """The figure's file: named after the class or unit where it is only one."""
    if layer:
        ending = f"unit_{numbers[0]}" if len(numbers) == 1 else "units"
        return targets([layer], [ending], out)[0][0].figure
    if len(numbers) > 1:
        return targets(["class"], ["models"], out)[0][0].figure
    plain = re.sub(r"\W+", "_", names[0]).strip("_")[:_LONGEST] or f"class_{numbers[0]}"
    return targets([plain], ["class_model"], out)[0][0].figure


def _tell_what_is_off(units: Sequence[int], layer: str, preset: str) -> None:
    """Says on stderr that units stayed at zero, and why."""
    if not units:
        return
    several, which = len(units) > 1, ", ".join(map(str, units))
    who = f"units {which} of {layer} stay off" if several else f"unit {which} of {layer} stays off"
    if preset == "legible":
        why = f"no image that turns {'them' if several else 'it'} on was found"
    else:
        why = "plain rectifiers give no signal where they are off; try --preset legible"
    click.echo(f"note: {who}: {why}", err=True)
