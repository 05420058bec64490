"""What ``train-decoder`` writes beside the weights: curves, tables, pictures, event files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .event_files import event_writer

if TYPE_CHECKING:
    from deconvviz.data.datasets import DataSet, LabelledImages
    from deconvviz.decoders.encoding import Encoder
    from deconvviz.decoders.training import Outcome
    from deconvviz.training.history import Row

_TABLE = ("epoch", "train_mse", "train_error", "val_mse", "val_error", "val_psnr")


class DecoderResults:
    """Writes what the runs of one call leave for people."""

    def __init__(self, folder: Path, data: DataSet, tensorboard: bool) -> None:
        """Writes nothing yet: what lies in the folders is earlier runs' until training has begun."""
        self._folder, self._data = folder, data
        self._writer = event_writer(tensorboard)
        self._events: dict[str, Any] = {}

    def epoch(self, layer: str, row: Row) -> None:
        """Adds an epoch to a layer's event file, if there is to be one."""
        if self._writer is None:
            return
        if layer not in self._events:
            self._events[layer] = self._writer(str(self._folder / layer / "tensorboard"))
        for name, value in row.items():
            if name != "epoch":
                self._events[layer].add_scalar(name, value, row["epoch"])
        self._events[layer].flush()

    def write(self, outcome: Outcome, encoder: Encoder, quiet: bool) -> list[Path]:
        """Draws and tabulates how a layer's training ended; returns the paths of all that there is."""
        from deconvviz.decoders.decoder import load_decoder
        from deconvviz.decoders.layer_run import HISTORY_FILE, LAST_EPOCHS_FILE
        from deconvviz.figures import decoder_curves_figure, save_figure
        from deconvviz.models.trained import BEST_FILE, RUN_FILE
        from deconvviz.runs import short_form, write_json

        if outcome.layer in self._events:
            self._events.pop(outcome.layer).close()
        folder = self._folder / outcome.layer
        record = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        decoder = load_decoder(folder, encoder.device)
        what = f"{outcome.layer} of {decoder.facts.model}, decoded by '{record['task']['recipe']}'"
        counts = f"{len(self._data.train)} training and {len(self._data.val)} validation images of "
        counts += f"{Path(self._data.name).name}; {outcome.parameters / 1e6:.1f} million parameters"
        short = short_form(record)
        curves = decoder_curves_figure(outcome.rows, title=what, caption=counts)
        paths = [folder / name for name in (BEST_FILE, RUN_FILE, HISTORY_FILE)]
        paths.append(self._table(folder / LAST_EPOCHS_FILE, outcome, quiet))
        paths.append(save_figure(curves, folder / "curves.png", short))
        sets = {"training": self._data.train, "validation": self._data.val, "test": self._data.test}
        for split, images in sets.items():
            if images is not None:
                figure = _grid(encoder, decoder, images, f"{what}: {split} images")
                paths.append(save_figure(figure, folder / f"reconstructions_{split}.png", short))
        content = {"layer": outcome.layer, "parameters": outcome.parameters, **outcome.best}
        paths.append(write_json(folder / "metrics.json", content))
        return paths

    @staticmethod
    def _table(path: Path, outcome: Outcome, quiet: bool) -> Path:
        """The last three epochs' errors, as a file and on stderr."""
        from deconvviz.runs import replacing

        rows = [
            [str(row[name]) if name == "epoch" else f"{row[name]:.5g}" for name in _TABLE]
            for row in outcome.rows[-3:]
        ]
        with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([_TABLE, *rows])
        if not quiet:
            click.echo(f"{outcome.layer}, the last {len(rows)} epochs:", err=True)
            for line in [_TABLE, *rows]:
                click.echo("  " + "".join(f"{cell:>13}" for cell in line), err=True)
        return path


def _grid(encoder: Encoder, decoder: Any, images: LabelledImages, title: str) -> Any:
    from deconvviz.decoders.showing import extremes
    from deconvviz.figures import Pair, pairs_figure

    found = extremes(encoder, decoder, images)
    groups = [
        (kind, [Pair(one.original, one.reconstruction, f"{one.psnr:.1f} dB") for one in shown])
        for kind, shown in found.items()
    ]
    return pairs_figure(groups, title=title, caption="by squared error, among up to 400 images of the set")
