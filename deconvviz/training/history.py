"""What happened in each epoch: rows, a CSV file, and what can be read off them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..runs import replacing

Row = dict[str, Any]
"""``epoch``, ``train_loss``, ``train_accuracy``, ``val_loss``, ``val_top1``, ``val_top5``, ``lr``,
``images_per_second``, ``seconds``: of one epoch."""


def best_epoch(rows: Sequence[Row]) -> Row:
    """The epoch of the highest validation accuracy; the first of several."""
    return max(rows, key=lambda row: (row["val_top1"], -row["epoch"]))


def out_of_patience(rows: Sequence[Row], patience: int | None) -> bool:
    """Whether so many epochs have gone by without a better validation accuracy."""
    return bool(rows) and patience is not None and rows[-1]["epoch"] - best_epoch(rows)["epoch"] >= patience


def write_history(path: Path, rows: Sequence[Row]) -> Path:
    """Writes the rows as CSV in place of an older file."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )
    return path
