"""``deconvviz project``: the strongest activations of a photograph, back in pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import (
    drawing_options,
    image_arguments,
    layer_option,
    model_option,
    output_options,
    rule_option,
    weights_options,
)
from .session import SESSION_OPTIONS, announce, for_each_photo, open_session, pictures, targets
from .units import unit_option, unit_place


@click.command()
@image_arguments()
@layer_option()
@click.option(
    "--topk",
    type=click.IntRange(min=1),
    metavar="K",
    help="How many units to project  [default: 9, or all of a layer with fewer].",
)
@click.option(
    "--by",
    type=click.Choice(["map", "activation"]),
    help="The strongest feature maps, each at its strongest place, or the strongest activations of any map  "
    "[default: map].",
)
@unit_option()
@click.option(
    "--from",
    "source",
    type=click.Choice(["strongest", "map", "layer"]),
    default="strongest",
    show_default=True,
    help="Start from one activation, from the unit's whole feature map, or from the whole layer: all its "
    "activations together, in one tile.",
)
@rule_option("deconvnet")
@click.option(
    "--unpooling",
    type=click.Choice(["switches", "centre"]),
    default="switches",
    show_default=True,
    help="Where max-unpooling puts the signal: the recorded maximum, or the window's centre.",
)
@click.option(
    "--lrn",
    type=click.Choice(["identity", "transpose"]),
    default="identity",
    show_default=True,
    help="Contrast normalisation on the way down: passed unchanged, or its exact transpose.",
)
@click.option(
    "--seed-value",
    type=click.Choice(["activation", "one"]),
    default="activation",
    show_default=True,
    help="Start from the activation's own value, or from one.",
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "mirror", "autograd"]),
    default="auto",
    show_default=True,
    help="The mirrored network, which serves chains, or automatic differentiation with the rectifiers' rule "
    "replaced, which serves any network; auto takes the mirror where it can.",
)
@click.option("--with-maps", is_flag=True, help="Also draw each unit's whole feature map.")
@click.option("--each", is_flag=True, help="Also write every patch and projection as its own PNG.")
@click.option("--arrays", is_flag=True, help="Also write the numbers: NAME.npz.")
@drawing_options()
@model_option()
@weights_options()
@output_options()
def project(
    images: tuple[Path, ...],
    sample: bool,
    layers: tuple[str, ...],
    topk: int | None,
    by: str | None,
    units: tuple[str, ...],
    out: str | None,
    with_maps: bool,
    each: bool,
    arrays: bool,
    **settings: Any,
) -> None:
    """Project the strongest activations of IMAGES back to pixels.

    The figure shows each photograph with numbered receptive fields and, for each unit, its image patch
    beside what the mirrored network makes of that one activation.

    \b
        deconvviz project cat.jpg --layer conv5 --topk 9
        deconvviz project cat.jpg --layer conv3 --unit 42 --unit 7,5,6 --rule guided --out guided.pdf
        deconvviz project *.jpg --layer conv2 --layer conv4 --arrays --out results/
        deconvviz project cat.jpg --layer conv5 --from layer
    """
    named = [unit_place(unit) for unit in units]
    if named and (topk or by):
        raise click.UsageError("--unit names the units; --topk and --by choose them: give one or the other")
    whole = settings["source"] == "layer"
    if whole and (named or topk or by or with_maps):
        raise click.UsageError(
            "--from layer starts from all activations: leave --unit, --topk, --by and --with-maps away"
        )
    paths = pictures(images, sample)
    places = targets([path.stem for path in paths], layers, out)
    session = open_session(**{k: settings.pop(k) for k in SESSION_OPTIONS})
    from deconvviz.data.images import Photo
    from deconvviz.deconvnet import (
        ContrastNormalisation,
        Rectification,
        Rules,
        Unit,
        Unpooling,
        project_trace,
        record,
        strongest,
    )
    from deconvviz.errors import ImageError
    from deconvviz.gradients.projection import has_mirror, project_by_autograd

    from .project_results import Results

    rules = Rules(
        Rectification(settings["rule"]),
        Unpooling(settings["unpooling"]),
        ContrastNormalisation(settings["lrn"]),
    )

    def work(i: int, photo: Photo) -> None:
        batch = session.see(photo.image)
        exact_lrn = rules.lrn is ContrastNormalisation.TRANSPOSE
        taken_for = session.taken_for(batch)
        trace = record(session.network, batch, layers, masks=rules.rectification.masks, inputs=exact_lrn)
        for layer, target in zip(layers, places[i], strict=True):
            k = 1 if whole else topk or min(9, trace.features(layer).shape[1])
            chosen = [Unit(layer, *place) for place in named] or strongest(trace, layer, k, by or "map")
            engine, how = settings["engine"], {"seed": settings["seed_value"], "source": settings["source"]}
            if engine == "auto":
                engine = "mirror" if has_mirror(trace, layer, rules) else "autograd"
            if engine == "mirror":
                projection = project_trace(trace, chosen, rules=rules, **how)
            else:
                projection = project_by_autograd(session.network, batch, chosen, rules=rules, **how)
            if not named and not bool((projection.activations > 0).any()):
                raise ImageError(f"{photo.name}: {layer} has no positive activation, nothing to project")
            features = trace.features(layer)[0]
            drawn = (
                [features[u.channel] for u in projection.units] if with_maps and features.ndim == 3 else []
            )
            by_what = "unit" if named else "layer" if whole else by or "map"
            served = {**settings, "engine": engine}
            results = Results(session, photo, batch, layer, projection, by_what, served, drawn, taken_for)
            announce(results.figure(target.figure))
            if arrays:
                announce(results.arrays(target.figure.with_suffix(".npz")))
            if each:
                announce(*results.parts(target.parts))
            announce(results.manifest(target.figure.with_suffix(".json")))

    for_each_photo(paths, work)
