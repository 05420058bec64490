"""``deconvviz models``: the networks that go by a name."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def models(as_json: bool) -> None:
    """List the networks that --model knows by name."""
    from deconvviz.models.catalogue import CATALOGUE

    rows = [
        {"name": name, "weights": "published" if entry.weights else "none published", "about": entry.about}
        for name, entry in CATALOGUE.items()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        click.echo(f"{row['name']:<9}  {row['weights']:<14}  {row['about']}")
    click.echo(
        "package.module:function   your own network: a function without arguments that returns a module"
    )
