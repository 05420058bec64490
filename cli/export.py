"""``deconvviz export``: a trained network as one small file to hand on."""

from __future__ import annotations

from pathlib import Path

import click

from .session import announce


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--half", is_flag=True, help="Store the weights as float16: half the size.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A .safetensors file  [default: RUN's name, here].",
)
def export(run: Path, half: bool, out: Path | None) -> None:
    """Write the best weights of a training RUN as one file that says what it is.

    Batch norms of mini and cifar are folded into the weights. The file knows its network, its classes and its
    preprocessing, and serves as --weights of every other command.

    \b
        deconvviz export runs/pets --half --out pets.safetensors
    """
    out = out or Path(f"{run.resolve().name}.safetensors")
    if out.suffix != ".safetensors":
        raise click.UsageError(f"--out {out}: weights are written as a .safetensors file")
    from deconvviz.training.exporting import export_run

    announce(export_run(run, out, half=half))
