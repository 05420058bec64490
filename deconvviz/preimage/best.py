"""The default inversion: Adam on Fourier coefficients, leaky rectifiers on the way down, some smoothing.

    E(x) = ‖Φ(x) - Φ0‖² / ‖Φ0‖² + λ Σ (dx² + dy²) / (HW)

x is the image in values of 0 to 1. Three things make it faster than the published ways: steps in a space in
which frequencies are scaled as photographs are (`frequencies`); rectifiers that let a tenth of the signal
through where they are off, and max-pools that at first spread all of it over their windows (`leaking`; both
fade, and are gone for the last steps); and a rate that rises over ten steps and then falls along half a
cosine to zero. λ grows with depth, since deep layers leave more open.

Source: our own.
"""

from __future__ import annotations

import math

from torch import Tensor

from .frequencies import Frequencies
from .methods import Draws, Setting
from .regularisers import total_variation
from .steppers import Adam

ITERATIONS = 400
_RATE, _WARM_UP, _START = 0.3, 10, 0.01
_BETAS = (0.9, 0.99)
_LEAK, _POOLS_LEAK, _LEAKS_UNTIL = 0.1, 1.0, 0.85


class Best:
    """An inversion under way; see `methods.Method`."""

    def __init__(self, setting: Setting, draws: Draws) -> None:
        self.slower, self.iterations = 1.0, setting.iterations
        self.std = setting.channels[1]
        self.space = Frequencies(setting.side, device=setting.device)
        self.variable = _START * draws.normal(len(setting.places), *self.space.shape).to(setting.device)
        self.variation = setting.column([variation_weight(place.depth) for place in setting.places])
        self.pixels = setting.side**2
        self.restart()

    def shown(self, step: int) -> Tensor:
        """The image itself."""
        return self.images()

    def leak(self, step: int) -> tuple[float, float]:
        """A tenth at rectifiers and a larger part at pools, both falling to nothing."""
        left = max(0.0, 1 - step / (_LEAKS_UNTIL * self.iterations))
        return _LEAK * left, _POOLS_LEAK * left

    def energy(self, errors: Tensor, step: int) -> Tensor:
        """See the module."""
        return errors + self.variation * total_variation(self.images() * self.std) / self.pixels

    def move(self, gradient: Tensor, step: int) -> None:
        """One step of Adam."""
        fall = 0.5 * (1 + math.cos(math.pi * step / self.iterations))
        self.stepper.step(gradient, self.slower * _RATE * min(1.0, (step + 1) / _WARM_UP) * fall)

    def restart(self) -> None:
        """Forgets the moments."""
        self.stepper = Adam(self.variable, _BETAS)

    def images(self) -> Tensor:
        """The images of the coefficients."""
        return self.space.images(self.variable)


def variation_weight(depth: float) -> float:
    """λ of a layer."""
    return 0.1 if depth <= 0.4 else 1.0 if depth <= 0.8 else 3.0


def started(setting: Setting, draws: Draws) -> Best:
    """An inversion at its start."""
    return Best(setting, draws)
