"""One network being trained: an epoch, a validation, and what must be kept of it.

Every draw (order, crops, dropout) comes from (seed, epoch, step) alone, so that a run that was killed and
resumed ends with the same bits as one that was not, on the CPU with the same number of threads.

Source: the one-cycle schedule is Smith & Topin 2018, label smoothing Szegedy et al. 2016, sec. 7.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it
from torch.nn.parallel import DistributedDataParallel

from ..data.datasets import DataSet
from ..errors import TrainingError
from ..models.building import Built
from .augment import resized
from .batches import gathered, step_seed
from .evaluation import Evaluation, evaluate
from .feeding import check_scores, feeds, shown
from .frozen import check_beginning, replace_frozen
from .processes import Processes
from .renormalise import renormalise
from .settings import Settings
from .synchronised import globally

_CHECK_EVERY = 20  # steps between looks at the loss: each look waits for the GPU


class Trainer:
    """A network with its data and its optimiser.

    Attributes:
        module: what is trained: the network, or its rest where a part is frozen.
        optimiser: over its parameters.
        steps: an epoch has so many.
    """

    def __init__(
        self, built: Built, data: DataSet, settings: Settings, side: int, processes: Processes, progress: bool
    ) -> None:
        """Puts everything on the device.

        Args:
            built: the network, with as many scores as `data` has classes.
            data: what to train on.
            settings: how; its precision is no longer ``auto``.
            side: of the network's input, in pixels.
            processes: who shares the work.
            progress: show progress where something is computed first.

        Raises:
            TrainingError: network, data and settings do not suit each other.
        """
        self._settings, self._processes, self._classes = settings, processes, len(data.ids)
        self._share = processes.share(settings.batch_size)
        self.steps = len(data.train) // settings.batch_size
        if not self.steps:
            raise TrainingError(
                f"--batch-size {settings.batch_size} is larger than the {len(data.train)} training images"
            )
        module, device = built.module, processes.device
        if settings.channels_last:
            module.to(memory_format=torch.channels_last)
        module.to(device)
        few = torch.from_numpy(data.train.pixels[data.train.rows[:2]]).to(device)
        images = shown(few, built, settings, side)
        check_scores(module, images, self._classes)
        self._frozen: nn.Module | None = None
        if settings.crop_size and not settings.freeze:
            check_scores(module, resized(images, settings.crop_size), self._classes)
        if settings.freeze:
            check_beginning(module, settings.freeze, images)
            self._frozen = replace_frozen(module, settings.freeze)
        self._train, self._val = feeds(built, data, settings, side, self._frozen, processes, progress)
        self.module = globally(module, processes)
        self._step: nn.Module = self.module
        if processes.count > 1:
            ids = [device.index] if device.type == "cuda" else None
            self._step = DistributedDataParallel(self.module, device_ids=ids)
        self.optimiser = _optimiser(self.module, settings)

    def weights(self) -> dict[str, Tensor]:
        """The whole network's parameters and buffers by name, frozen ones included."""
        state = dict(self.module.state_dict())
        if self._frozen is not None:
            state |= {f"{self._settings.freeze}.{name}": t for name, t in self._frozen.state_dict().items()}
        return state

    def load(self, weights: dict[str, Tensor]) -> None:
        """Puts values of `weights` back, of those parameters that are trained."""
        self.module.load_state_dict({name: weights[name] for name in self.module.state_dict()})

    def epoch(self, number: int, advance: Callable[[int, float], object]) -> dict[str, float]:
        """One pass over the training images.

        Args:
            number: of the epoch, from 1.
            advance: told after each step how many images it took, and now and then the mean loss so far
                (otherwise NaN).

        Returns:
            ``train_loss`` and ``train_accuracy`` over the batches as they were trained on, ``lr`` of the last
            step, and ``images_per_second``.

        Raises:
            TrainingError: the loss is no number any more.
        """
        count = self._settings.batch_size
        self.module.train()
        totals = torch.zeros(2, dtype=torch.float64, device=self._processes.device)
        start, rate = time.perf_counter(), 0.0
        for step, (images, labels) in enumerate(self.batches(number)):
            rate = self._settings.lr_at((number - 1) * self.steps + step, self.steps)
            totals += self.step(images, labels, rate)
            mean = math.nan
            if step % _CHECK_EVERY == 0 or step + 1 == self.steps:
                mean = float(totals[0]) / (step + 1)
                check_loss(mean, f"in epoch {number}, step {step + 1}")
            advance(count, mean)
        sums = self._processes.summed(totals)
        return {
            "train_loss": float(sums[0]) / (self.steps * self._processes.count),
            "train_accuracy": float(sums[1]) / (self.steps * count),
            "lr": rate,
            "images_per_second": self.steps * count / (time.perf_counter() - start),
        }

    def batches(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """What an epoch is trained on: this process's part of each batch, augmented, on the device.

        The global random state is set for each step before it is yielded: dropout draws from it.
        """
        settings, count = self._settings, self._settings.batch_size
        order = self._train.order(settings.seed, number)
        mine = [order[i * count : (i + 1) * count][self._share] for i in range(self.steps)]
        fed = gathered(self._train.values, self._train.labels, mine, self._processes.device)
        for at, (values, labels) in enumerate(fed, (number - 1) * self.steps):
            images = self._train.prepare(values, self._share, step_seed(settings.seed, at, 1))
            torch.manual_seed(step_seed(settings.seed, at, 0))
            yield images, labels

    def step(self, images: Tensor, labels: Tensor, rate: float) -> Tensor:
        """One step of the optimiser.

        Args:
            images: (N, 3, H, W), or features.
            labels: (N,) class numbers.
            rate: the learning rate.

        Returns:
            (2,) float64 on the device: the loss, and how many were right.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with autocast(self._settings.precision, self._processes.device):
            scores = self._step(images)
        loss = F.cross_entropy(scores.float(), labels, label_smoothing=self._settings.label_smoothing)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimiser.step()
        if self._settings.renormalise is not None:
            renormalise(self.module, self._settings.renormalise)
        return torch.stack([loss.detach().double(), (scores.argmax(1) == labels).sum().double()])

    def validate(self) -> Evaluation:
        """The network as it is, over the validation images."""
        self.module.eval()
        feed = self._val
        return evaluate(
            self.module,
            feed.values,
            feed.labels,
            feed.rows,
            self._processes,
            lambda values: feed.prepare(values, slice(None), 0),
            self._classes,
            cast=partial(autocast, self._settings.precision, self._processes.device),
        )


def resolved_precision(precision: str, device: torch.device) -> str:
    """``auto`` as ``bf16`` where the device computes it natively, else as ``float32``."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bf16" if native else "float32"


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The context in which a forward pass runs: weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def check_loss(loss: float, where: str) -> None:
    """Makes sure that a loss is a number.

    Args:
        loss: of a step, or of a set.
        where: for the message.

    Raises:
        TrainingError: it is infinite or none.
    """
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss is {loss} {where}: training stopped, the last good checkpoint is kept; try a lower "
            "--lr, or --precision float32"
        )


def _optimiser(module: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """Decay acts on kernels and matrices; biases and norms have one dimension."""
    trained = [p for p in module.parameters() if p.requires_grad]
    if not trained:
        part = f"--freeze {settings.freeze} leaves" if settings.freeze else "the network has"
        raise TrainingError(f"{part} nothing to train")
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    rate = settings.highest_lr
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=rate)
    return torch.optim.SGD(groups, lr=rate, momentum=settings.momentum, nesterov=settings.momentum > 0)
