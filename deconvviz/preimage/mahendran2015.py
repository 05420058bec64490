"""Inversion as first published: an alpha-norm and total variation, gradient descent with momentum.

    E(x) = ‖Φ(x) - Φ0‖² / ‖Φ0‖² + (λα / 2σ²) Σ x⁶ + (λV / 2σ²) Σ (dx² + dy²)

x is the image in grey levels of 0 to 255 without its mean, σ the mean norm of such images: 27098 for the
paper's 227 pixels a side, and in proportion to the side for others. λα = 8e-10; λV is 1, 10 or 100 by layer
(AlexNet's up to relu2, up to relu4, above). Steps are made in units of σ with rates 0.004, 0.0004 and
0.00004 for 100, 200 and 100 iterations; the momentum of 0.9 starts anew with each. The start is white noise
of norm σ.

Where it differs: images are this network's own 224-pixel crops instead of 227-pixel squashed ones, and its
mean is a colour instead of an image.

Source: Mahendran & Vedaldi 2015, "Understanding Deep Image Representations by Inverting Them",
arXiv 1412.0035, and its published code.
"""

from __future__ import annotations

from torch import Tensor

from .methods import Draws, Setting, segments
from .regularisers import alpha_norm, total_variation
from .steppers import Momentum

ITERATIONS = 400
_SIGMA, _SIDE = 27098.1157, 227  # the mean norm of photographs of so many pixels a side
_LAMBDA_ALPHA = 8e-10
_RATES = [(100, 0.004), (200, 0.0004), (100, 0.00004)]


class Mahendran2015:
    """An inversion under way; see `methods.Method`."""

    def __init__(self, setting: Setting, draws: Draws) -> None:
        self.slower = 1.0
        self.sigma = _SIGMA * setting.side / _SIDE
        noise = draws.normal(len(setting.places), 3, setting.side, setting.side).to(setting.device)
        self.std = 255 * setting.channels[1]
        self.variable = noise / noise.flatten(1).norm(dim=1)[:, None, None, None] * self.sigma
        self.variation = setting.column([variation_weight(place.depth) for place in setting.places])
        self.rates = segments(_RATES, setting.iterations)
        self.restart()

    def shown(self, step: int) -> Tensor:
        """The image itself."""
        return self.images()

    def leak(self, step: int) -> tuple[float, float]:
        """None."""
        return 0.0, 0.0

    def energy(self, errors: Tensor, step: int) -> Tensor:
        """See the module."""
        x = self.variable
        prior = _LAMBDA_ALPHA * alpha_norm(x, 6.0) + self.variation * total_variation(x)
        return errors + prior / (2 * self.sigma**2)

    def move(self, gradient: Tensor, step: int) -> None:
        """Gradient descent in units of σ."""
        self.stepper.step(gradient, self.slower * self.rates[step] * self.sigma**2)

    def restart(self) -> None:
        """Forgets the momentum."""
        self.stepper = Momentum(self.variable)

    def images(self) -> Tensor:
        """The variable, normalised."""
        made: Tensor = self.variable / self.std
        return made


def variation_weight(depth: float) -> float:
    """λV of a layer: 1 up to two fifths of the convolutions, 10 up to four fifths, 100 above."""
    return 1.0 if depth <= 0.4 else 10.0 if depth <= 0.8 else 100.0


def started(setting: Setting, draws: Draws) -> Mahendran2015:
    """An inversion at its start."""
    return Mahendran2015(setting, draws)
