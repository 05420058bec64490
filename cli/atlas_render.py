"""``deconvviz atlas render``: patches and projections of the units of an atlas, and its page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deconvviz.errors import DataError

from .atlas_options import scanned_options
from .atlas_session import root_option, session_of, units_of, units_option
from .options import layer_option, quiet_option, rule_option
from .session import SESSION_OPTIONS, announce, within_memory

if TYPE_CHECKING:
    from deconvviz.atlas.atlas import Atlas
    from deconvviz.atlas.rendered import Rendered

_NAMED = 5  # of what is not as the atlas says, on stderr


@click.command()
@click.argument("folder", metavar="ATLAS", type=click.Path(path_type=Path))
@layer_option(required=False)
@units_option("all")
@rule_option("deconvnet")
@click.option(
    "--scale",
    type=click.Choice(["shared", "each"]),
    default="shared",
    show_default=True,
    help="One contrast for all projections of a unit, or its own for each.",
)
@click.option(
    "--tile",
    type=click.IntRange(min=8),
    default=128,
    show_default=True,
    metavar="PIXELS",
    help="The longest side of a tile: larger receptive fields are made smaller.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=36,
    show_default=True,
    metavar="N",
    help="Projections computed together: fewer take less memory, and give the same.",
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Draw, and check, also what was rendered before; with another rule, scale or tile whole layers.",
)
@root_option()
@scanned_options("Of random weights, where --weights random is given.")
@quiet_option()
def render(
    folder: Path,
    layers: tuple[str, ...],
    units: tuple[tuple[int, int], ...],
    rule: str,
    scale: str,
    tile: int,
    batch_size: int,
    overwrite: bool,
    root: Path | None,
    **options: Any,
) -> None:
    """Show what the units of ATLAS look for: patches, projections and a page.

    Every unit's strongest activations are computed anew, projected back to pixels and compared with what the
    atlas says: other weights and changed images are found out. Network, weights and images are those of the
    scan. Units that were rendered before are kept, so that a render that was cut short goes on.

    \b
        deconvviz atlas render ATLAS
        deconvviz atlas render ATLAS --layer conv5 --units 0-15,40
        deconvviz atlas render ATLAS --layer conv5 --rule guided --overwrite
    """
    from deconvviz.atlas.atlas import open_atlas
    from deconvviz.atlas.kept import begin_layer, check_settings

    atlas = open_atlas(folder)
    asked = _asked(atlas, layers, units)
    settings = {"rule": rule, "scale": scale, "tile": tile}
    for layer, channels in asked.items():
        check_settings(atlas, layer, settings, overwrite, channels if units else None)
    session, images = session_of(atlas, root=root, **{name: options[name] for name in SESSION_OPTIONS})
    from tqdm import tqdm

    from deconvviz.atlas.page import write_page
    from deconvviz.atlas.rendering import render_units
    from deconvviz.atlas.sprites import write_sprite
    from deconvviz.deconvnet import Rectification, Rules

    left: dict[str, list[int]] = {}
    there = 0
    for layer, channels in asked.items():
        kept = begin_layer(atlas, layer, settings, overwrite)
        left[layer] = [c for c in channels if c not in kept and atlas.entries(layer, c)]
        there += len(kept.keys() & channels)
    total = sum(len(atlas.entries(layer, c)) for layer in left for c in left[layer])
    if there and not total and not options["quiet"]:
        are, were, them = (f"all {there} units are", "were", "them") if there > 1 else ("it is", "was", "it")
        click.echo(
            f"note: {are} rendered already, and {were} not checked again: --overwrite draws {them} anew",
            err=True,
        )
    found = _Findings()
    how: dict[str, Any] = {"rules": Rules(Rectification(rule)), "batch_size": batch_size}
    try:
        with (
            tqdm(total=total, unit="projection", disable=options["quiet"] or not total) as bar,
            within_memory(session, batch_size),
        ):
            for layer, channels in left.items():
                bar.set_description(layer)
                rendered = render_units(session.network, atlas, images, layer, channels, **how)
                for channel, unit in zip(channels, rendered, strict=True):
                    drawn = [_equalised(one) for one in unit] if scale == "each" else unit
                    write_sprite(folder, layer, channel, drawn, tile=tile)
                    found.look_at(unit)
                    bar.update(len(unit))
    except KeyboardInterrupt:
        announce(write_page(atlas))  # of what is there
        raise
    announce(write_page(atlas))
    found.complain()


def _asked(atlas: Atlas, layers: Sequence[str], units: Sequence[tuple[int, int]]) -> dict[str, list[int]]:
    """The units to render, by layer."""
    return {
        layer: units_of(atlas, layer, units) if units else list(range(atlas.units(layer)))
        for layer in layers or atlas.layers
    }


def _equalised(one: Rendered) -> Rendered:
    """The same with a contrast of its own."""
    from deconvviz.tiles import signed_scale

    return replace(one, projection=one.projection / signed_scale([one.projection]))


class _Findings:
    """What is not as the atlas says."""

    def __init__(self) -> None:
        self.checked, self.different, self.news = 0, 0, 0
        self.gone: dict[str, str] = {}

    def look_at(self, unit: Sequence[Rendered]) -> None:
        """Counts what is wrong with a unit, and names the first few on stderr."""
        from tqdm import tqdm

        self.checked += len(unit)
        for one in unit:
            news = one.differs or (one.gone and one.entry.image not in self.gone)
            self.different += one.differs
            if one.gone:
                self.gone[one.entry.image] = one.problem
            self.news += news
            if news and self.news <= _NAMED:
                entry = one.entry
                where = f"{entry.layer}, unit {entry.channel}, rank {entry.rank}, {entry.image}"
                tqdm.write(f"deconvviz: {where}: {one.problem}", file=sys.stderr)

    def complain(self) -> None:
        """Says what was wrong, if anything was.

        Raises:
            DataError: something was.
        """
        from deconvviz.atlas.rendered import GONE

        if self.news > _NAMED:
            left = self.news - _NAMED
            click.echo(f"deconvviz: and {left} more: each is marked on its unit's page", err=True)
        wrong = []
        if self.different:
            wrong.append(f"{self.different} of {self.checked} activations no longer match")
        gone = sum(problem == GONE for problem in self.gone.values())
        if gone:
            wrong.append(f"{gone} image{'s are' if gone > 1 else ' is'} gone")
        if damaged := len(self.gone) - gone:
            wrong.append(f"{damaged} image{'s' * (damaged > 1)} cannot be read")
        if wrong:
            raise DataError(f"{', '.join(wrong)}; the rest is done")
