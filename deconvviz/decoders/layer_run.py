"""What the training of one layer's decoder leaves in its folder, so that it can be killed and go on."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import TrainingError
from ..models.trained import BEST_FILE, RUN_FILE
from ..runs import manifest, write_json
from ..training.checkpoint import load_state, save_state
from ..training.history import Row, write_history
from ..training.processes import Processes
from ..training.settings import differences
from ..training.trainer import check_loss
from .decoder import save_decoder
from .recipes import Recipe
from .trainer import LayerTrainer

LAST_FILE = "last.safetensors"
HISTORY_FILE = "history.csv"
LAST_EPOCHS_FILE = "last_epochs.csv"
SPLITS = ("training", "validation", "test")
_OF_A_RUN = (BEST_FILE, LAST_FILE, HISTORY_FILE)
GRIDS = tuple(f"reconstructions_{split}.png" for split in SPLITS)
REPORTS = (LAST_EPOCHS_FILE, "curves.png", "metrics.json", "tensorboard", *GRIDS)
"""What the command line adds to a layer's folder."""


def best_row(rows: Sequence[Row]) -> Row:
    """The epoch of the lowest validation error; the first of several."""
    return min(rows, key=lambda row: (row["val_error"], row["epoch"]))


class LayerRun:
    """A layer's folder and its trainer.

    Attributes:
        folder: where everything goes.
        trainer: of the layer.
        layer: its name.
        rows: the history so far.
        distance: mean Euclidean distance between two validation images at the decoder's own size.
    """

    def __init__(self, folder: Path, trainer: LayerTrainer, distance: float) -> None:
        """Writes nothing yet."""
        self.folder, self.trainer, self.distance = folder, trainer, distance
        self.layer = trainer.facts.layer
        self.rows: list[Row] = []

    @property
    def error(self) -> str:
        """The layer with its last validation error, for a progress bar."""
        return f"{self.layer} {self.rows[-1]['val_error']:.3f}" if self.rows else self.layer

    @property
    def over(self) -> bool:
        """Whether its last epoch has ended."""
        return len(self.rows) >= self.trainer.epochs

    def begin(self, resume: bool, recipe: Recipe, facts: Mapping[str, Any], processes: Processes) -> None:
        """Goes on, or starts: its record, and nothing left of an earlier one.

        Args:
            resume: go on where there is a checkpoint.
            recipe: as it was asked for.
            facts: what else to record.
            processes: the first writes.

        Raises:
            TrainingError: the checkpoint is damaged, or of other settings or an encoder with other weights.
        """
        if processes.first:
            for stray in self.folder.glob(".*.safetensors"):  # of a process that was killed while writing
                stray.unlink()
        last, trainer = self.folder / LAST_FILE, self.trainer
        if resume and last.exists():
            known = load_state(last, trainer.kept, trainer.optimiser)
            now = json.loads(json.dumps(trainer.facts.recipe))
            differs = differences(known.get("recipe", {}), now)
            if differs:
                raise TrainingError(
                    f"{self.folder} was started with other settings: {differs}; resume with the same, or "
                    "start anew with --overwrite"
                )
            if known.get("encoder") != trainer.facts.encoder:
                raise TrainingError(
                    f"{self.folder} was started on other weights of {trainer.facts.model} than those given "
                    "now; name its own with --weights, or start anew with --overwrite"
                )
            self.rows = known["rows"]
            return
        self.trainer.measure()
        if processes.first:
            for name in (*_OF_A_RUN, *REPORTS):
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    path = self.folder / name
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            content = manifest(decoder=self.trainer.facts.as_dict(), settings=recipe.as_dict(), **facts)
            write_json(self.folder / RUN_FILE, content)

    def add(self, number: int, trained: Tensor, tested: Tensor, steps: int, rate: float, start: float) -> Row:
        """Adds an epoch to the history.

        Args:
            number: of the epoch.
            trained: (3,) means over the training images, see `LayerTrainer.step`.
            tested: (4,) sums over the validation images, see `LayerTrainer.validate`.
            steps: an epoch has so many.
            rate: images a second in training.
            start: of the epoch, by `time.perf_counter`.

        Raises:
            TrainingError: an error is no number any more.
        """
        check_loss(float(tested[1]), f"of {self.layer} over the validation images after epoch {number}")
        count = float(tested[0])
        self.rows.append(
            {
                "epoch": number,
                "train_loss": float(trained[0]),
                "train_mse": float(trained[1]),
                "train_error": float(trained[2]) / self.distance,
                "val_mse": float(tested[1]) / count,
                "val_error": float(tested[2]) / count / self.distance,
                "val_psnr": float(tested[3]) / count,
                "lr": self.trainer.rate(number * steps - 1),
                "images_per_second": rate,
                "seconds": time.perf_counter() - start,
            }
        )
        return self.rows[-1]

    def keep(self) -> None:
        """Writes an epoch: what can be made again first, last what says that it is done."""
        row = self.rows[-1]
        reached = {name: row[name] for name in ("epoch", "val_mse", "val_error", "val_psnr")}
        if row is best_row(self.rows):
            save_decoder(self.folder / BEST_FILE, self.trainer.facts, self.trainer.average, reached)
        facts = self.trainer.facts
        known = {"rows": self.rows, "encoder": facts.encoder, "recipe": facts.recipe}
        save_state(self.folder / LAST_FILE, self.trainer.kept, self.trainer.optimiser, known)
        write_history(self.folder / HISTORY_FILE, self.rows)
