"""The loop that all images by optimisation share: step by step, and never without the best so far.

A step that leads to something that is no number is taken back: the variable returns to where its energy was
lowest, all rates are halved and the optimiser starts anew there; after `PATIENCE` of these the loop ends.
Ctrl-C ends it too. Either way the images are those of the lowest energy so far, and the outcome says why it
ended. The batch goes through the network and back part by part, so that memory is what one part takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .leaking import leaking
from .methods import Method

PATIENCE = 8
"""How often rates are halved before the loop gives up."""


@dataclass(frozen=True)
class Outcome:
    """What the loop came to.

    Attributes:
        images: (N, 3, H, W), normalised.
        curve: (T, N), what was measured at each step made.
        stopped: why it ended early: ``interrupted``, ``diverged``, or nothing.
        slower: what the rates were multiplied with at the end; below 1 where steps were taken back.
    """

    images: Tensor
    curve: Tensor
    stopped: str
    slower: float


def optimise(
    method: Method,
    measure: Callable[[Tensor, slice], Tensor],
    iterations: int,
    at_once: int,
    watch: Callable[[int, Tensor], None] = lambda step, values: None,
) -> Outcome:
    """Minimises a method's energy.

    Args:
        method: at its start.
        measure: of images (n, 3, H, W) and the rows of the batch that they are: (n) values, differentiable.
        iterations: how many steps.
        at_once: images that are differentiated together.
        watch: told each step and what was measured, (N).
    """
    curve: list[Tensor] = []
    kept = method.variable.clone()
    lowest = torch.full((len(kept),), torch.inf, device=kept.device)
    stopped, taken_back = "", 0
    with torch.inference_mode(False):
        try:
            step = 0
            while step < iterations:
                values, energy, gradient = _slope(method, measure, step, at_once)
                if not (torch.isfinite(energy).all() and torch.isfinite(gradient).all()):
                    taken_back += 1
                    method.variable.copy_(kept)
                    if taken_back > PATIENCE:
                        stopped = "diverged"
                        break
                    method.slower /= 2
                    method.restart()
                    continue
                better = energy < lowest
                lowest = torch.where(better, energy, lowest)
                kept[better] = method.variable[better]
                curve.append(values)
                watch(step, values)
                method.move(gradient, step)
                step += 1
            if not stopped:
                lost = ~_finite(method, measure, at_once)
                method.variable[lost] = kept[lost]
        except KeyboardInterrupt:
            stopped = "interrupted"
            method.variable.copy_(kept)
        with torch.no_grad():
            images = method.images().clone()
    return Outcome(
        images, torch.stack(curve) if curve else kept.new_zeros(0, len(kept)), stopped, method.slower
    )


def _slope(
    method: Method, measure: Callable[[Tensor, slice], Tensor], step: int, at_once: int
) -> tuple[Tensor, Tensor, Tensor]:
    """What was measured (N), the energy (N) and its gradient at the variable."""
    with torch.enable_grad():
        variable = method.variable.requires_grad_()
        try:
            shown = method.shown(step)
            values: list[Tensor] = []
            slopes: list[Tensor] = []
            for rows in _parts(len(variable), at_once):
                part = shown[rows].detach().requires_grad_()
                with leaking(*method.leak(step)):
                    own = measure(part, rows)
                slopes += torch.autograd.grad(own.sum(), part)  # and the pass is forgotten
                values.append(own.detach())
            measured = torch.cat(values).requires_grad_()
            energy = method.energy(measured, step)
            total = energy.sum()
            (weights,) = torch.autograd.grad(total, measured, retain_graph=True)
            signal = weights[:, None, None, None] * torch.cat(slopes)
            (gradient,) = torch.autograd.grad((total, shown), variable, (torch.ones_like(total), signal))
        finally:
            method.variable.requires_grad_(False)
    return measured.detach(), energy.detach(), gradient


def _finite(method: Method, measure: Callable[[Tensor, slice], Tensor], at_once: int) -> Tensor:
    """Which images are numbers, and what is measured of them too: (N) bool."""
    with torch.no_grad():
        images = method.images()
        values = torch.cat([measure(images[rows], rows) for rows in _parts(len(images), at_once)])
        return torch.isfinite(values) & torch.isfinite(images).flatten(1).all(1)


def _parts(count: int, at_once: int) -> Iterator[slice]:
    """The rows of a batch, so many at a time."""
    return (slice(first, min(first + at_once, count)) for first in range(0, count, at_once))
