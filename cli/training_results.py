"""What ``train-classifier`` writes beside the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .event_files import event_writer

if TYPE_CHECKING:
    from deconvviz.data.datasets import DataSet
    from deconvviz.training.classifier import Outcome
    from deconvviz.training.history import Row


class Results:
    """Writes what a run leaves for people: figures, numbers, event files."""

    def __init__(self, folder: Path, data: DataSet, tensorboard: bool) -> None:
        """Writes nothing yet: what lies in the folder is an earlier run's until training has begun.

        Raises:
            TrainingError: there are to be event files, and TensorBoard is not installed.
        """
        self._folder, self._data = folder, data
        self._writer = event_writer(tensorboard)
        self._events: Any = None

    def epoch(self, row: Row) -> None:
        """Adds an epoch to the event file, if there is to be one."""
        if self._writer is None:
            return
        self._events = self._events or self._writer(str(self._folder / "tensorboard"))
        for name, value in row.items():
            if name != "epoch":
                self._events.add_scalar(name, value, row["epoch"])
        self._events.flush()

    def write(self, outcome: Outcome) -> list[Path]:
        """Draws curves and confusion matrix, writes the metrics; returns the paths of all that there is."""
        from deconvviz.figures import confusion_figure, curves_figure, save_figure
        from deconvviz.models.trained import BEST_FILE, RUN_FILE
        from deconvviz.runs import short_form, write_arrays, write_json
        from deconvviz.training.classifier import HISTORY_FILE

        if self._events is not None:
            self._events.close()
        record = json.loads((self._folder / RUN_FILE).read_text(encoding="utf-8"))
        short = short_form(record)
        found, side = outcome.evaluation, record["trained"]["input_size"]
        what = f"{record['trained']['model']} on {self._data.name}"
        counts = (
            f"{len(self._data.train)} training images, {len(self._data.ids)} classes, {side}x{side} pixels"
        )
        curves = save_figure(
            curves_figure(outcome.rows, title=what, caption=counts), self._folder / "curves.png", short
        )
        matrix = confusion_figure(
            found.confusion,
            self._data.titles,
            title=f"{what}: top-1 {found.top1:.3f}",
            caption=f"{found.images} validation images",
        )
        confusion = save_figure(matrix, self._folder / "confusion.png", short)
        write_arrays(
            self._folder / "confusion.npz", confusion=found.confusion, classes=list(self._data.titles)
        )
        metrics = write_json(self._folder / "metrics.json", found.as_dict())
        names = (BEST_FILE, RUN_FILE, HISTORY_FILE, "confusion.npz")
        return [*(self._folder / name for name in names), curves, confusion, metrics]
