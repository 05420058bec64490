"""``deconvviz atlas``: what every unit looks for, over a whole data set."""

from __future__ import annotations

import click

from .atlas_figure import figure
from .atlas_merge import merge
from .atlas_render import render
from .atlas_scan import scan


@click.group()
def atlas() -> None:
    """What every unit of a network looks for, over a whole data set.

    'scan' finds the images and places at which each unit fires most strongly, 'render' projects them back to
    pixels and makes a page of all units, 'figure' draws some of them for a paper.

    \b
        deconvviz atlas scan photos/ --layer conv1 --layer conv5 --out ATLAS
        deconvviz atlas render ATLAS
        deconvviz atlas figure ATLAS --layer conv5 --units 0-15 --out conv5.pdf
    """


for command in (scan, merge, render, figure):
    atlas.add_command(command)
