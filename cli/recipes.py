"""``deconvviz recipes``: the settings that decoders are trained with, by name."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table or TOML.")
def recipes(name: str | None, as_json: bool) -> None:
    """List the recipes of train-decoder, or print one of them whole.

    What is printed of one is a file that --recipe takes: change it and give its name.

    \b
        deconvviz recipes
        deconvviz recipes best > mine.toml
        deconvviz train-decoder --layer conv5 --recipe mine.toml
    """
    from deconvviz.decoders.recipes import DEFAULT_RECIPE, recipe
    from deconvviz.decoders.recipes import recipes as named

    if name is not None:
        fields = recipe(name).as_dict()
        click.echo(json.dumps(fields, indent=1) if as_json else _toml(fields))
        return
    if as_json:
        click.echo(json.dumps({title: found.as_dict() for title, found in named().items()}, indent=1))
        return
    wide = max(map(len, named()))
    for title, found in named().items():
        default = " (the default)" if title == DEFAULT_RECIPE else ""
        click.echo(f"{title:<{wide}}  {', '.join(found.layers)}: {found.about}{default}")


def _toml(fields: dict[str, Any]) -> str:
    """Every field on a line; one without a value, which TOML cannot say, behind a comment sign."""
    return "\n".join(
        f"# {name} is not set" if value is None else f"{name} = {_value(value)}"
        for name, value in fields.items()
    )


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_value(key)} = {_value(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
