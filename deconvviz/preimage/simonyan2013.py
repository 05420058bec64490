"""Class models as first published: the score under an L2 penalty, climbed from the zero image.

    argmax over x of S(x) - λ ‖x‖²

x is the image in values of 0 to 1 without the mean colour, which is added again for the picture; the score
is taken before the softmax, since a probability also rises where other classes fall. Plain gradient ascent,
nothing else.

The paper's λ, rate and number of steps could not be found; these are ours: λ = 0.1, 300 steps of rate 0.1.

Source: Simonyan, Vedaldi & Zisserman 2013, "Deep Inside Convolutional Networks", arXiv 1312.6034.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .methods import Draws, Setting

ITERATIONS = 300
LAMBDA, RATE = 0.1, 0.1


class Simonyan2013:
    """A climb under way; see `methods.Method`."""

    def __init__(self, setting: Setting) -> None:
        self.slower = 1.0
        self.std = setting.channels[1]
        side = setting.side
        self.variable = torch.zeros(len(setting.places), 3, side, side, device=setting.device)

    def shown(self, step: int) -> Tensor:
        """The image itself."""
        return self.images()

    def leak(self, step: int) -> tuple[float, float]:
        """None."""
        return 0.0, 0.0

    def energy(self, values: Tensor, step: int) -> Tensor:
        """λ ‖x‖² - S(x)."""
        return LAMBDA * self.variable.square().sum((1, 2, 3)) - values

    def move(self, gradient: Tensor, step: int) -> None:
        """One step of gradient descent."""
        self.variable.sub_(gradient, alpha=self.slower * RATE)

    def restart(self) -> None:
        """Has no state."""

    def images(self) -> Tensor:
        """The variable, normalised."""
        made: Tensor = self.variable / self.std
        return made


def started(setting: Setting, draws: Draws) -> Simonyan2013:
    """A climb at its start."""
    return Simonyan2013(setting)
