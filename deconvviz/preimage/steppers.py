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
    """Adam, bit for bit torch's on the CPU; torch's own imports its compiler first, which takes seconds.

    Source:
        Kingma & Ba 2014, arXiv 1412.6980.
    """

    def __init__(self, variable: Tensor, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        self.variable, self.betas, self.steps = variable, betas, 0
        self.mean, self.square = torch.zeros_like(variable), torch.zeros_like(variable)

    def step(self, gradient: Tensor, rate: float) -> None:
        """One step: m <- lerp(g, m); v <- lerp(g², v); x <- x - rate m' / (sqrt v' + 1e-8), both unbiased."""
        first, second = self.betas
        self.steps += 1
        self.mean.lerp_(gradient, 1 - first)
        self.square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        root = (self.square.sqrt() / (1 - second**self.steps) ** 0.5).add_(1e-8)
        self.variable.addcdiv_(self.mean, root, value=-rate / (1 - first**self.steps))
