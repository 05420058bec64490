"""How a classifier is trained: one frozen table, written into the run and compared when it is resumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, get_type_hints

from ..errors import TrainingError
from .schedules import rate_at

OPTIMISERS = {"sgd": 0.1, "adamw": 1e-3}
"""Optimisers, and the learning rate each starts from when none is given."""
CROPS = ("resized", "shift", "none")
PRECISIONS = ("auto", "float32", "bf16")
SNAPSHOT_EPOCHS = (1, 2, 5, 10, 20, 30, 40, 64)
"""The epochs of Zeiler & Fergus 2013, fig. 4."""


@dataclass(frozen=True)
class Settings:
    """What decides the outcome of a training run, beside the data and the network.

    Attributes:
        epochs: passes over the training images.
        batch_size: images a step, over all processes together.
        optimiser: ``sgd`` (Nesterov) or ``adamw``.
        lr: the highest learning rate; None for the optimiser's usual one.
        momentum: of sgd.
        weight_decay: of weights; biases and normalisation are spared.
        schedule: ``one-cycle`` (linear up, cosine down to nothing), ``step``, or ``constant``.
        warmup: share of the steps over which one-cycle rises.
        step_epochs: epochs between the drops of ``step``.
        gamma: what each drop multiplies the rate by.
        label_smoothing: in [0, 1).
        flip: mirror every second training image.
        crop: ``resized`` (a random part, scaled), ``shift`` (moved by up to an eighth) or ``none``.
        smallest_crop: least share of the area that ``resized`` takes.
        erase: side, as a share of the image's, of a square of every training image that is blanked (cutout);
            0 blanks nothing.
        crop_size: side of the training images in pixels; None for the network's input size. Training a
            little smaller than testing is faster and often better (Touvron et al. 2019).
        precision: ``float32``, ``bf16`` (autocast; weights stay float32), or ``auto``.
        channels_last: memory layout of images and weights.
        renormalise: scale filters of convolutions back to this root mean square after each step, where they
            exceed it; None lets them grow.
        freeze: module whose weights stay as they are (``features``); its outputs are computed once.
        patience: stop after so many epochs without a better validation accuracy; None never does.
        snapshots: keep the weights of the epochs in `SNAPSHOT_EPOCHS`.
        seed: of every draw.
    """

    epochs: int = 20
    batch_size: int = 128
    optimiser: str = "sgd"
    lr: float | None = None
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "one-cycle"
    warmup: float = 0.2
    step_epochs: int = 10
    gamma: float = 0.1
    label_smoothing: float = 0.1
    flip: bool = True
    crop: str = "resized"
    smallest_crop: float = 0.35
    erase: float = 0.0
    crop_size: int | None = None
    precision: str = "auto"
    channels_last: bool = True
    renormalise: float | None = None
    freeze: str | None = None
    patience: int | None = None
    snapshots: bool = False
    seed: int = 0

    @property
    def highest_lr(self) -> float:
        """The learning rate at its highest."""
        return OPTIMISERS[self.optimiser] if self.lr is None else self.lr

    def lr_at(self, step: int, steps_per_epoch: int) -> float:
        """The learning rate of a step.

        Args:
            step: counted from 0 over the whole run.
            steps_per_epoch: how many an epoch has.
        """
        return rate_at(
            self.schedule,
            self.highest_lr,
            step,
            steps_per_epoch=steps_per_epoch,
            epochs=self.epochs,
            warmup=self.warmup,
            step_epochs=self.step_epochs,
            gamma=self.gamma,
        )

    def as_dict(self) -> dict[str, Any]:
        """Names and values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Settings:
        """The settings that `as_dict` wrote; names of later versions are left out.

        Raises:
            TrainingError: a value has the wrong type.
        """
        kinds = get_type_hints(cls)
        known = {k: v for k, v in content.items() if k in kinds}
        for name, value in known.items():
            kind = kinds[name] | int if kinds[name] in (float, float | None) else kinds[name]
            if not isinstance(value, kind):
                raise TrainingError(f"these settings cannot be read: {name} is {value!r}")
        return replace(cls(), **known)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """``"lr 0.1 -> 0.2, epochs 10 -> 20"``: what differs, of the names in `now`; empty where nothing does."""
    return ", ".join(
        f"{name.replace('_', '-')} {before.get(name)} -> {value}"
        for name, value in now.items()
        if before.get(name) != value
    )
