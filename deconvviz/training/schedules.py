"""How the learning rate goes over a run.

Source: one-cycle is Smith & Topin 2018.
"""

from __future__ import annotations

import math

SCHEDULES = ("one-cycle", "step", "constant")


def rate_at(
    schedule: str,
    highest: float,
    step: int,
    *,
    steps_per_epoch: int,
    epochs: int,
    warmup: float,
    step_epochs: int,
    gamma: float,
) -> float:
    """The learning rate of a step.

    Args:
        schedule: ``one-cycle`` (linear up, cosine down to nothing), ``step``, or ``constant``.
        highest: the rate at its highest.
        step: counted from 0 over the whole run.
        steps_per_epoch: how many an epoch has.
        epochs: how many the run has.
        warmup: share of the steps over which one-cycle rises.
        step_epochs: epochs between the drops of ``step``.
        gamma: what each drop multiplies the rate by.
    """
    if schedule == "constant":
        return highest
    if schedule == "step":
        return highest * gamma ** (step // (step_epochs * steps_per_epoch))
    total = epochs * steps_per_epoch
    rise = max(1, round(warmup * total))
    if step < rise:
        return highest * (step + 1) / rise
    return highest * 0.5 * (1 + math.cos(math.pi * (step - rise + 1) / (total - rise + 1)))
