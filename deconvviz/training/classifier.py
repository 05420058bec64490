"""Trains a classifier into a folder, so that it can be killed at any moment and go on.

    data = open_data("cifar10", side=32)
    outcome = train_classifier("cifar", data, Settings(epochs=10), "runs/cifar")

The folder holds, after every epoch: ``last.safetensors`` (all that is needed to go on), ``best.safetensors``
(the weights of the best validation accuracy), ``history.csv``, ``run.json`` (what is trained, on what and
how), and ``snapshots/`` where asked for. Processes on several machines need it on a shared disk.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ..data.datasets import DataSet
from ..errors import TrainingError
from ..models.building import Built
from ..models.trained import BEST_FILE, RUN_FILE, Trained
from ..runs import manifest, write_json
from .checkpoint import load_state, read_tensors, save_state, save_tensors
from .evaluation import Evaluation
from .history import Row, best_epoch, out_of_patience, write_history
from .processes import Processes
from .settings import SNAPSHOT_EPOCHS, Settings
from .start import started
from .trainer import Trainer, check_loss, resolved_precision

LAST_FILE = "last.safetensors"
HISTORY_FILE = "history.csv"
SNAPSHOTS = "snapshots"
_OF_A_RUN = (BEST_FILE, LAST_FILE, HISTORY_FILE, SNAPSHOTS)
REPORTS = ("curves.png", "confusion.png", "confusion.npz", "metrics.json", "tensorboard")
"""What the command line adds to a run."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        rows: the history, one row an epoch.
        evaluation: of the best weights, over the validation images.
        stopped_early: before its last epoch, for want of progress.
    """

    rows: list[Row]
    evaluation: Evaluation
    stopped_early: bool


def train_classifier(
    model: str,
    data: DataSet,
    settings: Settings,
    out: str | os.PathLike[str],
    *,
    weights: str = "random",
    built: Built | None = None,
    input_size: int | None = None,
    processes: Processes | None = None,
    resume: bool = False,
    facts: dict[str, Any] | None = None,
    progress: bool = True,
    after_epoch: Callable[[Row], None] = lambda _row: None,
) -> Outcome:
    """Trains a network to tell the classes of a data set, until the last epoch or until patience runs out.

    Args:
        model: of the catalogue, or ``package.module:function``.
        data: what to train on.
        settings: how.
        out: the run's folder.
        weights: what to start from, see `started`.
        built: the network itself, where it has been built already; with as many scores as classes.
        input_size: side of the network's input; None for its own.
        processes: who shares the work; None for this process alone, on the CPU.
        resume: go on from ``last.safetensors``.
        facts: more to record in ``run.json``.
        progress: show a progress bar.
        after_epoch: told each new row of the history, in the first process.

    Raises:
        TrainingError: something does not fit, or the loss is no number any more.
        ModelError: there is no such network.
        OutputError: the folder cannot be written; what was there stays whole.

    Example:
        >>> import tempfile
        >>> from deconvviz.data.datasets import open_data
        >>> data = open_data("dead-leaves", train_per_class=2, val_per_class=1, side=32, progress=False)
        >>> settings = Settings(epochs=1, batch_size=8)
        >>> out = tempfile.mkdtemp()
        >>> len(train_classifier("cifar", data, settings, out, progress=False).rows)
        1
    """
    processes = processes or Processes(0, 1, torch.device("cpu"))
    asked, precision = settings, resolved_precision(settings.precision, processes.device)
    settings = replace(settings, precision=precision)
    out = Path(out)
    built = built or started(model, len(data.ids), weights, settings.seed)[0]
    side = input_size or built.input_size
    what = Trained(model, side, built.mean, built.std, data.titles, data.ids)
    with torch.random.fork_rng():
        trainer = Trainer(built, data, settings, side, processes, progress)
        rows: list[Row] = []
        if resume and (out / LAST_FILE).exists():  # one that was killed in its first epoch has none
            rows = load_state(out / LAST_FILE, trainer.module, trainer.optimiser)["rows"]
        if processes.first and not resume:
            _record(out, what, asked, data, {"precision": precision, **(facts or {})})
        processes.wait()
        total = settings.epochs * trainer.steps * settings.batch_size
        with tqdm(
            total=total,
            initial=len(rows) * trainer.steps * settings.batch_size,
            unit="img",
            unit_scale=True,
            disable=not (progress and processes.first),
            desc=f"training {model}",
        ) as bar:
            while len(rows) < settings.epochs and not out_of_patience(rows, settings.patience):
                rows.append(_epoch(trainer, len(rows) + 1, rows, bar))
                if processes.first:
                    _keep(out, trainer, what, rows, settings)
                    after_epoch(rows[-1])
                processes.wait()
        if not rows:
            raise TrainingError("nothing to do: --epochs is 0")
        trainer.load(read_tensors(out / BEST_FILE)[0])
        evaluation = trainer.validate()
    return Outcome(rows, evaluation, len(rows) < settings.epochs)


def _epoch(trainer: Trainer, number: int, before: list[Row], bar: Any) -> Row:
    start = time.perf_counter()

    def advance(images: int, loss: float) -> None:
        bar.update(images)
        if not math.isnan(loss):
            best = f", best {best_epoch(before)['val_top1']:.3f}" if before else ""
            bar.set_postfix_str(f"epoch {number}, loss {loss:.3f}{best}", refresh=False)

    trained = trainer.epoch(number, advance)
    found = trainer.validate()
    check_loss(found.loss, f"over the validation images after epoch {number}")
    return {
        "epoch": number,
        "train_loss": trained["train_loss"],
        "train_accuracy": trained["train_accuracy"],
        "val_loss": found.loss,
        "val_top1": found.top1,
        "val_top5": found.top5,
        "lr": trained["lr"],
        "images_per_second": trained["images_per_second"],
        "seconds": time.perf_counter() - start,
    }


def _keep(out: Path, trainer: Trainer, what: Trained, rows: list[Row], settings: Settings) -> None:
    """Writes an epoch: what can be made again first, last what says that it is done."""
    row = rows[-1]
    facts = {"trained": what.as_dict(), "epoch": row["epoch"], "val_top1": row["val_top1"]}
    if best_epoch(rows) is row:
        save_tensors(out / BEST_FILE, trainer.weights(), facts)
    if settings.snapshots and row["epoch"] in SNAPSHOT_EPOCHS:
        save_tensors(out / SNAPSHOTS / f"epoch_{row['epoch']:04}.safetensors", trainer.weights(), facts)
    save_state(out / LAST_FILE, trainer.module, trainer.optimiser, {"rows": rows})
    write_history(out / HISTORY_FILE, rows)


def _record(out: Path, what: Trained, settings: Settings, data: DataSet, facts: dict[str, Any]) -> None:
    """Starts a run: its record, and nothing left of an earlier one."""
    for name in (*_OF_A_RUN, *REPORTS):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path = out / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    content = manifest(trained=what.as_dict(), settings=settings.as_dict(), data=data.facts, **facts)
    write_json(out / RUN_FILE, content)
