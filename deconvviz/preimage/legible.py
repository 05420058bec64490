"""Class models that can be read: what keeps a climb from drawing high-frequency noise.

    argmax over x of log S(shown(x)) - λ Σ (dx² + dy²) / (HW)

- The image is given by Fourier coefficients scaled as photographs are (`frequencies`), so that a step draws
  shapes rather than grain, and squashed into the range of colours.
- The network is shown it blurred, by a Gaussian that shrinks to nothing over the first two thirds: shapes
  come first and details last.
- Each step it is shown shifted by up to a sixteenth of its side, around the edge: what stands on the grid of
  the network's strides is averaged away.
- Total variation. The logarithm makes its weight mean the same for scores of any size (below 1 the score
  itself is climbed).
- Rectifiers leak on the way down (`leaking`), so that units that are off at the start can be found.

Source: our own; the parts are those of Mahendran & Vedaldi 2016 (jitter, variation), Yosinski et al. 2015
(blur), and Olah, Mordvintsev & Schubert, "Feature Visualization", Distill 2017 (frequencies).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .frequencies import Frequencies
from .methods import Draws, Setting
from .regularisers import total_variation
from .steppers import Adam

ITERATIONS = 256
RATE, LEAK, VARIATION = 0.05, 0.1, 10.0
_START, _WARM_UP = 0.01, 10
_BLUR, _BLURRED_UNTIL = 1 / 56, 0.67  # the standard deviation, of the side; the share of the steps
_SHIFT = 1 / 16  # of the side


class Legible:
    """A climb under way; see `methods.Method`."""

    def __init__(self, setting: Setting, draws: Draws) -> None:
        self.slower, self.iterations, self.generator = 1.0, setting.iterations, draws.generator
        self.mean, self.std = setting.channels
        self.space = Frequencies(setting.side, device=setting.device)
        self.side = setting.side
        self.variable = _START * draws.normal(len(setting.places), *self.space.shape).to(setting.device)
        self.restart()

    def shown(self, step: int) -> Tensor:
        """The image blurred and shifted."""
        left = max(0.0, 1 - step / (_BLURRED_UNTIL * self.iterations))
        reach = round(_SHIFT * self.side)
        shifts = torch.randint(-reach, reach + 1, (2,), generator=self.generator).tolist()
        return self._coloured(self.space.images(self.variable, blur=_BLUR * self.side * left)).roll(
            shifts, (2, 3)
        )

    def leak(self, step: int) -> tuple[float, float]:
        """A tenth at rectifiers, throughout."""
        return LEAK, 0.0

    def energy(self, values: Tensor, step: int) -> Tensor:
        """See the module."""
        climbed = torch.where(values > 1, values.clamp_min(1).log(), values - 1)
        smooth = total_variation(self.images() * self.std) / self.side**2
        return VARIATION * smooth - climbed

    def move(self, gradient: Tensor, step: int) -> None:
        """One step of Adam, at a rate that rises first and then falls along half a cosine."""
        fall = 0.5 * (1 + math.cos(math.pi * step / self.iterations))
        self.stepper.step(gradient, self.slower * RATE * min(1.0, (step + 1) / _WARM_UP) * fall)

    def restart(self) -> None:
        """Forgets the moments."""
        self.stepper = Adam(self.variable)

    def images(self) -> Tensor:
        """The images as they are."""
        return self._coloured(self.space.images(self.variable))

    def _coloured(self, images: Tensor) -> Tensor:
        """Any values as colours, zero as the mean colour, if that is no extreme; normalised."""
        made: Tensor = (torch.sigmoid(images + torch.logit(self.mean, eps=0.1)) - self.mean) / self.std
        return made


def started(setting: Setting, draws: Draws) -> Legible:
    """A climb at its start."""
    return Legible(setting, draws)
