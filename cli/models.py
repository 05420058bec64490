"""``deconvviz models``: the networks that go by a name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from deconvviz.models.catalogue import Entry


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def models(as_json: bool) -> None:
    """List the networks that --model knows by name."""
    from deconvviz.models.catalogue import CATALOGUE

    rows = [
        {"name": name, "weights": _weights(name, entry), "about": entry.about}
        for name, entry in CATALOGUE.items()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    widths = {key: max(len(row[key]) for row in rows) for key in ("name", "weights")}
    for row in rows:
        cells = [*(row[key].ljust(width) for key, width in widths.items()), row["about"]]
        click.echo("  ".join(cells))
    click.echo(
        "package.module:function   your own network: a function without arguments that returns a module"
    )


def _weights(name: str, entry: Entry) -> str:
    if name == "mini":
        return "shipped"
    return "published" if entry.weights else "none published"
