"""``deconvviz randomise``: do a unit's maps change when the network forgets what it learnt?"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import image_arguments, layer_option, model_option, output_options, weights_options
from .session import announce, for_each_photo, open_session, pictures, targets
from .units import unit_place

if TYPE_CHECKING:
    from deconvviz.gradients.randomising import Randomised

_RULES = ("deconvnet", "guided", "gradient")
_SIMILARITIES = ("rank_correlation", "signed_rank_correlation", "ssim")


@click.command()
@image_arguments()
@layer_option()
@click.option(
    "--unit",
    metavar="N|N,ROW,COLUMN",
    help="Follow this unit, at its strongest place or at the one given  [default: the layer's strongest].",
)
@click.option(
    "--rule",
    "rules",
    type=click.Choice(_RULES),
    multiple=True,
    help="How rectifiers treat the signal on its way down; repeatable  [default: all three].",
)
@click.option("--arrays", is_flag=True, help="Also write the numbers: NAME.npz.")
@model_option()
@weights_options()
@output_options()
def randomise(
    images: tuple[Path, ...],
    sample: bool,
    layers: tuple[str, ...],
    unit: str | None,
    rules: tuple[str, ...],
    arrays: bool,
    out: str | None,
    **session_options: Any,
) -> None:
    """Randomise the weights layer by layer and see what a unit's maps have to do with them.

    From the unit's layer down, one layer more gets random weights at each step (drawn from --seed). The
    figure shows the unit's deconvnet projection, guided map and gradient at each, and how alike they are to
    the trained network's. A map that stays as it is does not show what those layers have learnt.

    \b
        deconvviz randomise cat.jpg --layer conv5
        deconvviz randomise cat.jpg --layer fc8 --model mini --unit 13 --arrays
    """
    named = None if unit is None else unit_place(unit)
    paths = pictures(images, sample)
    places = targets([path.stem for path in paths], layers, out, ending="_randomise")
    session = open_session(**session_options)
    from deconvviz.data.images import Photo
    from deconvviz.deconvnet import Rectification, Unit, record, strongest
    from deconvviz.errors import ImageError
    from deconvviz.figures import randomising_figure, save_figure
    from deconvviz.gradients.randomising import randomise as randomised
    from deconvviz.runs import short_form, write_arrays, write_json

    network, wanted = session.network, [Rectification(rule) for rule in _RULES if rule in (rules or _RULES)]

    def work(i: int, photo: Photo) -> None:
        batch = session.see(photo.image)
        trace = record(network, batch, layers, masks=False, inputs=False)
        for layer, target in zip(layers, places[i], strict=True):
            chosen = Unit(layer, *named) if named else strongest(trace, layer, 1)[0]
            if not named and not bool((trace.features(layer) > 0).any()):
                raise ImageError(f"{photo.name}: {layer} has no positive activation; name a unit with --unit")
            found = randomised(network, batch, chosen, rules=wanted, seed=session_options["seed"])
            (name,) = network.class_names(layer, [chosen.channel])
            figure = randomising_figure(
                network.pixels(batch)[0],
                found,
                title=f"{photo.name}: a unit of {layer} while weights are randomised from the top down",
                caption=f"{network.name}, weights {network.origin.label}, seed {session_options['seed']}",
                name=name,
            )
            facts = session.manifest(
                image={"name": photo.name, "sha256": photo.sha256},
                layer=layer,
                module=network.path_of(layer),
                chosen_by="unit" if named else "strongest",
                unit={
                    "channel": found.unit.channel,
                    "row": found.unit.row,
                    "column": found.unit.column,
                    "activation": found.activation,
                    "window": next(iter(found.courses.values())).projection.windows[0].tolist(),
                    **({"class": name} if name else {}),
                },
                engine=found.engine,
                steps=_table(found),
            )
            announce(save_figure(figure, target.figure, short_form(facts)))
            if arrays:
                numbers = _numbers(found)
                path = target.figure.with_suffix(".npz")
                announce(write_arrays(path, input=batch[0].cpu().numpy(), **numbers))
            announce(write_json(target.figure.with_suffix(".json"), facts))

    for_each_photo(paths, work)


def _table(found: Randomised) -> list[dict[str, Any]]:
    """What is random at each step, and how alike each rule's map is then."""
    return [
        {
            "name": name,
            "randomised": list(found.modules[k]),
            **{
                rule: {key: _rounded(float(getattr(course, key)[k])) for key in _SIMILARITIES}
                for rule, course in found.courses.items()
            },
        }
        for k, name in enumerate(found.steps)
    ]


def _rounded(value: float) -> float | None:
    """Four digits; None where there is no value."""
    return round(value, 4) if math.isfinite(value) else None


def _numbers(found: Randomised) -> dict[str, Any]:
    """Arrays: each rule's pixels, a row of similarities for each rule, and the names of both."""
    import numpy as np

    courses = found.courses
    pixels = {rule: course.projection.pixels.float().cpu().numpy() for rule, course in courses.items()}
    similar = {key: np.stack([getattr(c, key).numpy() for c in courses.values()]) for key in _SIMILARITIES}
    return {**pixels, **similar, "steps": np.array(found.steps), "rules": np.array(list(courses))}
