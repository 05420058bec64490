"""``deconvviz atlas figure``: the strongest activations of units over a data set, on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .atlas_options import scanned_options
from .atlas_session import root_option, session_of, units_of, units_option
from .optimising import check_places
from .options import layer_option, output_options, rule_option
from .session import SESSION_OPTIONS, announce, targets, within_memory

if TYPE_CHECKING:
    from deconvviz.atlas.atlas import Atlas
    from deconvviz.atlas.rendered import Rendered

_ONE, _SEVERAL = 16, 8  # units drawn of a single layer, of each of several layers


@click.command()
@click.argument("folder", metavar="ATLAS", type=click.Path(path_type=Path))
@layer_option(required=False)
@units_option("some drawn from those that fire")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Draw N units of every layer  [default: {_ONE}, or {_SEVERAL} of each of several layers].",
)
@rule_option("deconvnet")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=36,
    show_default=True,
    metavar="N",
    help="Projections computed together: fewer take less memory, and give the same.",
)
@root_option()
@scanned_options("Of the units that are drawn, and of random weights where --weights random is given.")
@output_options()
def figure(
    folder: Path,
    layers: tuple[str, ...],
    units: tuple[tuple[int, int], ...],
    count: int | None,
    rule: str,
    batch_size: int,
    root: Path | None,
    out: str | None,
    **options: Any,
) -> None:
    """Draw what excites units of ATLAS most: projections beside image patches, as the paper's figure 2.

    Without --layer all layers of the atlas are shown, in the network's order. Network, weights and images
    are those that were scanned.

    \b
        deconvviz atlas figure ATLAS
        deconvviz atlas figure ATLAS --layer conv3 --units 0-15 --out conv3.pdf
        deconvviz atlas figure ATLAS --layer conv1 --layer conv5 --count 6 --seed 3 --out units.png
    """
    if units and count:
        raise click.UsageError("--units names the units, --count draws some: give one or the other")
    what = [layers[0]] if len(layers) == 1 else ["units"]
    place = targets([folder.resolve().name], what, out)[0][0].figure
    check_places([place])
    from deconvviz.atlas.atlas import open_atlas

    atlas = open_atlas(folder)
    layers = layers or atlas.layers
    drawn = count or (_ONE if len(layers) == 1 else _SEVERAL)
    if units:
        chosen = {layer: units_of(atlas, layer, units) for layer in layers}
    else:
        chosen = _drawn(atlas, layers, drawn, options["seed"])
    total = _counted(atlas, chosen)
    session, images = session_of(atlas, root=root, **{name: options[name] for name in SESSION_OPTIONS})
    from tqdm import tqdm

    from deconvviz.atlas.rendering import render_units
    from deconvviz.deconvnet import Rectification, Rules

    from .atlas_figure_results import AtlasFigure

    rendered: dict[str, list[list[Rendered]]] = {}
    how: dict[str, Any] = {"rules": Rules(Rectification(rule)), "batch_size": batch_size}
    with (
        tqdm(total=total, unit="projection", disable=options["quiet"]) as bar,
        within_memory(session, batch_size),
    ):
        for layer, channels in chosen.items():
            bar.set_description(layer)
            rendered[layer] = []
            for unit in render_units(session.network, atlas, images, layer, channels, **how):
                rendered[layer].append(unit)
                bar.update(len(unit))
    picked = "as named" if units else f"drawn from those that fire (seed {options['seed']})"
    results = AtlasFigure(session, atlas, rendered, picked, rule)
    announce(results.figure(place), results.manifest(place.with_suffix(".json")))
    results.complain()


def _drawn(atlas: Atlas, layers: Sequence[str], count: int, seed: int) -> dict[str, list[int]]:
    """So many units of each layer at most, by number: of those that fire, or of all where none does."""
    import numpy as np

    generator, chosen = np.random.default_rng(seed), {}
    for layer in layers:
        found = atlas.statistics(layer)
        alive = [unit.channel for unit in found if unit.strongest > 0] or [unit.channel for unit in found]
        drawn = generator.choice(alive, min(count, len(alive)), replace=False)
        chosen[layer] = sorted(drawn.tolist())
    return chosen


def _counted(atlas: Atlas, chosen: Mapping[str, Sequence[int]]) -> int:
    """How many activations there are to project.

    Raises:
        DataError: of some unit none.
        OutputError: more units than a page holds.
    """
    from deconvviz.errors import DataError, OutputError
    from deconvviz.figures.atlas import MOST_UNITS

    counts = {(layer, c): len(atlas.entries(layer, c)) for layer, units in chosen.items() for c in units}
    for (layer, channel), found in counts.items():
        if not found:
            raise DataError(f"{atlas.folder} holds no activation of unit {channel} of {layer}: scan again")
    if (count := len(counts)) > MOST_UNITS:
        raise OutputError(
            f"one figure holds up to {MOST_UNITS} units, not {count}: name fewer with --units or --count; "
            "'deconvviz atlas render' makes a page of all"
        )
    return sum(counts.values())
