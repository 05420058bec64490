"""``deconvviz compare --data``: the methods over a data set, with confidence intervals."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from deconvviz.runs import FIGURE_SUFFIXES

from .atlas_scan_session import stoppable
from .compare_session import Compared, opened_comparison
from .data_options import DATA_OPTIONS
from .decoder_data import data_of, images_of
from .earlier import given_options
from .session import announce, place_of, within_memory

_OUT = "compared"
_PATIENCE = timedelta(days=30)
"""How long processes that are through with their share wait for the others."""


def compare_data(
    context: click.Context,
    *,
    out: str | None,
    resume: bool,
    overwrite: bool,
    as_json: bool,
    device: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Compares the methods over a data set; the parameters are those of the command."""
    if resume and overwrite:
        raise click.UsageError("--resume goes on with a run, --overwrite throws it away: give one of them")
    if out is not None and Path(out).suffix.lower() in FIGURE_SUFFIXES and not Path(out).exists():
        raise click.UsageError(f"--out {out}: a comparison over a data set wants a folder")
    from deconvviz.compare.folder import STARTED

    from .compare_data_options import as_begun, kept
    from .compare_data_results import told

    folder, given = Path(out or _OUT), given_options(context)
    quiet = quiet or int(os.environ.get("RANK", "0")) > 0
    if resume:
        options, given = as_begun(folder, options, given)
    try:
        with stoppable():
            first = _surveyed(folder, resume, overwrite, device, quiet, options, given, kept(options, given))
    except KeyboardInterrupt:
        if not (folder / STARTED).exists():
            raise
        if os.environ.get("RANK", "0") == "0":
            click.echo(
                f"deconvviz: interrupted; what is done is kept in {folder}: go on with --resume", err=True
            )
        context.exit(130)
    if first is None:
        return
    told(folder, as_json, quiet)
    if not as_json:
        announce(*first)


def _surveyed(
    folder: Path,
    resume: bool,
    overwrite: bool,
    device: str,
    quiet: bool,
    options: dict[str, Any],
    given: set[str],
    keep: dict[str, Any],
) -> Sequence[Path] | None:
    """The results' paths, in the first process."""
    from deconvviz.compare.survey import survey
    from deconvviz.training.processes import joined

    from .compare_data_progress import Progress
    from .compare_data_results import Results

    with joined(place_of(device), patience=_PATIENCE) as processes:
        if not processes.first_here:
            processes.wait()  # the first of each machine downloads and decodes, the others then find it
        compared = opened_comparison(
            options["layers"], options["runs"], given, options, str(processes.device), quiet
        )
        decoder = compared.decoders[0].label if compared.decoders else None
        network, chosen = compared.session.network, {name: options[name] for name in DATA_OPTIONS}
        data = data_of(decoder, chosen, network.input_size, options["seed"], given, quiet)
        images = images_of(data, options["split"], options["limit"])
        if processes.first_here:
            processes.wait()
        results = Results(folder, compared, data, options["split"])
        progress = Progress(quiet, processes)
        with progress, within_memory(compared.session, options["batch_size"]):
            written = survey(
                folder,
                network,
                images,
                _settings(compared, options),
                compared.decoders,
                write=results.write,
                options=keep,
                processes=processes,
                resume=resume,
                overwrite=overwrite,
                watch=progress.watch,
            )
    if written == () and not quiet:
        click.echo(f"note: {folder} is finished: nothing to go on with", err=True)
    return results.paths if written == () else written


def _settings(compared: Compared, options: dict[str, Any]) -> Any:
    from deconvviz.compare.chunks import SurveySettings

    names = ("optimised_limit", "preset", "iterations", "batch_size", "seed")
    return SurveySettings(
        tuple(compared.layers), tuple(options["methods"]), *(options[name] for name in names)
    )
