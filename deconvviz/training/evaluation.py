"""What a classifier gets right on a validation set."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from .batches import gathered
from .processes import Processes


@dataclass(frozen=True)
class Evaluation:
    """The outcome over a set of images.

    Attributes:
        top1: share of images whose class got the highest score.
        top5: share whose class was among the five highest.
        loss: mean cross-entropy, without label smoothing, in nats.
        images: how many.
        confusion: (classes, classes) counts: row the true class, column the predicted one.
    """

    top1: float
    top5: float
    loss: float
    images: int
    confusion: NDArray[np.int64]

    def as_dict(self) -> dict[str, float | int]:
        """The four numbers, for JSON."""
        return {"top1": self.top1, "top5": self.top5, "loss": self.loss, "images": self.images}


def evaluate(
    module: nn.Module,
    values: NDArray[Any],
    labels: NDArray[np.int64],
    rows: NDArray[np.int64],
    processes: Processes,
    prepared: Callable[[Tensor], Tensor],
    classes: int,
    *,
    cast: Callable[[], AbstractContextManager[Any]],
    batch_size: int = 250,
) -> Evaluation:
    """Runs a network over a set, each process over its part.

    Args:
        module: in evaluation mode; gives (N, classes) scores.
        values: (rows, ...) what is fed to `prepared`.
        labels: (rows,) class numbers.
        rows: (N,) which to use.
        processes: who shares the work.
        prepared: a batch of values as the module takes it.
        classes: how many.
        cast: the precision to compute in: a context.
        batch_size: images a step.
    """
    confusion = torch.zeros(classes, classes, dtype=torch.int64)
    sums = torch.zeros(2, dtype=torch.float64)  # of losses, of hits among five
    mine = rows[processes.rank :: processes.count]
    batches = [mine[i : i + batch_size] for i in range(0, len(mine), batch_size)]
    with torch.inference_mode():
        for batch, truth in gathered(values, labels, batches, processes.device):
            with cast():
                scores = module(prepared(batch))
            scores = scores.float()
            best = scores.topk(min(5, classes), dim=1).indices
            sums[0] += F.cross_entropy(scores, truth, reduction="sum").double().cpu()
            sums[1] += (best == truth[:, None]).any(1).sum().cpu()
            cells = (truth * classes + best[:, 0]).cpu()
            confusion += torch.bincount(cells, minlength=classes * classes).view(classes, classes)
    confusion, sums = processes.summed(confusion), processes.summed(sums)
    count = int(confusion.sum())
    return Evaluation(
        top1=int(confusion.trace()) / count,
        top5=float(sums[1]) / count,
        loss=float(sums[0]) / count,
        images=count,
        confusion=confusion.numpy(),
    )
