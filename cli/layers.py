"""``deconvviz layers``: what a network's layers are called, and what one unit of each sees."""

from __future__ import annotations

import json
from typing import Any

import click

from .options import model_option, weights_option
from .session import tell

_HEAD = {
    "name": "name",
    "module": "module",
    "kind": "kind",
    "output_shape": "output",
    "units": "units",
    "receptive_field": "receptive field",
    "stride": "stride",
}


@click.command()
@model_option()
@weights_option()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def layers(model: str, input_size: int | None, weights: str, as_json: bool) -> None:
    """List the layers of a network.

    Either name, the paper's or the module's, serves as --layer. The receptive field is what one unit sees
    of the image, the stride how far its neighbours' fields are apart, both in input pixels.
    """
    import torch

    from deconvviz.deconvnet import record
    from deconvviz.deconvnet.fields import receptive_fields
    from deconvviz.models import outline

    network = outline(model, weights, input_size=input_size)
    if model == "auto":
        tell(model, weights, network.name)
    side = network.input_size
    trace = record(network.module, torch.empty(1, 3, side, side, device="meta"))
    names = {path: name for name, path in network.paper_names.items()}
    rows: list[dict[str, Any]] = []
    for step, field in zip(trace, receptive_fields(trace), strict=True):
        if step.name == "flatten" and "flatten" not in dict(network.module.named_modules()):
            continue  # a function's doing, not a module that could be asked for
        rows.append(
            {
                "name": names.get(step.name),
                "module": step.name,
                "kind": type(step.module).__name__,
                "output_shape": list(step.output_shape[1:]),
                "units": step.output_shape[1] if len(step.output_shape) > 1 else 0,
                "receptive_field": list(field.size) if field else None,
                "stride": list(field.stride) if field else None,
            }
        )
    if as_json:
        click.echo(json.dumps({"model": network.name, "input_size": side, "layers": rows}, indent=1))
        return
    table = [tuple(_HEAD.values()), *(tuple(_cell(key, row[key]) for key in _HEAD) for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(_HEAD))]
    for line in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(key: str, value: Any) -> str:
    if value is None:
        return "-"
    if key in ("receptive_field", "stride") and value[0] == value[1]:
        return str(value[0]) if value[0] else "-"
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)
