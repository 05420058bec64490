"""``deconvviz atlas merge``: scans of the parts of a data set as one."""

from __future__ import annotations

from pathlib import Path

import click

from .atlas_options import atlas_out_option, overwrite_option
from .options import quiet_option
from .session import announce


@click.command()
@click.argument("atlases", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="ATLAS...")
@atlas_out_option()
@overwrite_option()
@quiet_option()
def merge(atlases: tuple[Path, ...], out: Path, overwrite: bool, quiet: bool) -> None:
    """Join finished scans of different images into one atlas.

    The result is what one scan of all the images gives, to the last bit. The scans are of the same network,
    weights, layers and settings, and no image is in two of them.

    \b
        deconvviz atlas merge monday tuesday wednesday --out week
    """
    if len(atlases) < 2:
        raise click.UsageError("name the atlases to be joined: two or more")
    from deconvviz.atlas.merging import merge_atlases

    announce(*merge_atlases(atlases, out, overwrite=overwrite))
    if not quiet:
        click.echo(f"note: 'deconvviz atlas render {out}' makes the pictures and the page anew", err=True)
