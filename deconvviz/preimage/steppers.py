"""How a variable follows its gradient, in place: the optimisers of the two papers, and Adam.

Each is told the rate at every step. The papers' two forget their momentum where the rate changes.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Stepper(Protocol):
    """One optimiser's state for one variable."""

    def step(self, gradient: Tensor, rate: float) -> None:
        """Moves the variable once, in place."""


class Momentum:
    """Gradient descent with momentum, which is forgotten where the rate changes.

    Source:
        Mahendran & Vedaldi 2015, as their code steps.
    """

    def __init__(self, variable: Tensor, momentum: float = 0.9) -> None:
        self.variable, self.momentum = variable, momentum
        self.velocity, self.rate = torch.zeros_like(variable), 0.0

    def step(self, gradient: Tensor, rate: float) -> None:
        """One step: v <- momentum v - rate g; x <- x + v."""
        if rate != self.rate:
            self.velocity.zero_()
            self.rate = rate
        self.velocity.mul_(self.momentum).sub_(gradient, alpha=rate)
        self.variable.add_(self.velocity)


class LeakyAdagrad:
    """AdaGrad whose sum of squared gradients fades, with momentum.

    Source:
        Mahendran & Vedaldi 2016, as their code steps.
    """

    def __init__(self, variable: Tensor, momentum: float = 0.9) -> None:
        self.variable, self.momentum = variable, momentum
        self.velocity, self.squares, self.rate = torch.zeros_like(variable), torch.zeros_like(variable), 0.0

    def step(self, gradient: Tensor, rate: float) -> None:
        """One step: G <- momentum G + g²; v <- momentum v - g / (1 / rate + sqrt G); x <- x + v."""
        if rate != self.rate:
            self.velocity.zero_()
            self.rate = rate
        self.squares.mul_(self.momentum).addcmul_(gradient, gradient)
        self.velocity.mul_(self.momentum).sub_(gradient / (1 / rate + self.squares.sqrt()))
        self.variable.add_(self.velocity)


class Adam:
    """Torch's Adam, told its rate at every step.

    Source:
        Kingma & Ba 2014, arXiv 1412.6980.
    """

    def __init__(self, variable: Tensor, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        self.variable = variable
        self.optimiser = torch.optim.Adam([variable], betas=betas)

    def step(self, gradient: Tensor, rate: float) -> None:
        """One step of Adam."""
        self.variable.grad = gradient
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.step()
        self.variable.grad = None
