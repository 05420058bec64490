"""Inversion as published a year later: a norm of colours, a box, jitter, and leaky AdaGrad.

    E(x) = C ‖Φ(x) - Φ0‖² / ‖Φ0‖² + Σ ‖x_ij‖⁶ / (HW B⁶) + Σ (dx² + dy²) / (HW V²)

x is the image in grey levels of 0 to 255 without its mean colour, B = 80 and V = B / 6.5; after each step
every pixel's colour is brought back to a length of at most 2 B. C is 300 up to AlexNet's conv3, 100 at
conv4, 20 at conv5 and 1 above. The canvas is larger than the image by up to a quarter of the layer's
stride, and the network is shown a random part of it, for 300 iterations; 50 more at a tenth of the rate
look at the middle. The start is uniform noise.

Where it differs: the choice of C is another implementation's for this network; the paper tries 1, 20, 100
and 300.

Source: Mahendran & Vedaldi 2016, "Visualizing Deep Convolutional Neural Networks Using Natural Pre-images",
arXiv 1512.02017, and its published code.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .methods import Draws, Setting, segments
from .regularisers import colour_norm, total_variation
from .steppers import LeakyAdagrad

ITERATIONS = 350
BOUND = 80.0
_ALPHA, _VARIATION, _BOX = 6.0, BOUND / 6.5, 160.0
_RATES = [(300, 1.0), (50, 0.1)]


class Mahendran2016:
    """An inversion under way; see `methods.Method`."""

    def __init__(self, setting: Setting, draws: Draws) -> None:
        self.slower, self.side, self.draws = 1.0, setting.side, draws
        self.room = [jitter(place.stride) for place in setting.places]
        canvas = setting.side + max(self.room) - 1
        self.std = 255 * setting.channels[1]
        self.variable = torch.zeros(len(self.room), 3, canvas, canvas)
        for row, room in enumerate(self.room):
            own = setting.side + room - 1
            noise = draws.uniform(row, 3, own, own)
            self.variable[row, :, :own, :own] = noise / noise.quantile(0.95) * BOUND / 3**0.5
        self.variable = self.variable.to(setting.device)
        self.weight = setting.column([feature_weight(place.depth) for place in setting.places])
        self.rates = segments(_RATES, setting.iterations)
        self.restart()

    def shown(self, step: int) -> Tensor:
        """A random part of each canvas; its middle once the rate has fallen."""
        return self._normalised(self.rates[step] == self.rates[0])

    def leak(self, step: int) -> tuple[float, float]:
        """None."""
        return 0.0, 0.0

    def energy(self, errors: Tensor, step: int) -> Tensor:
        """See the module."""
        pixels = self.side**2
        colours, variations = [], []
        for canvas, room in zip(self.variable, self.room, strict=True):
            whole = canvas[None, :, : self.side + room - 1, : self.side + room - 1]
            colours.append(colour_norm(whole, _ALPHA))
            variations.append(total_variation(whole))
        prior: Tensor = torch.cat(colours) / BOUND**_ALPHA + torch.cat(variations) / _VARIATION**2
        return self.weight * errors + prior / pixels

    def move(self, gradient: Tensor, step: int) -> None:
        """Leaky AdaGrad, then back into the box."""
        rate = self.side**2 * 0.05 * BOUND**2 / _ALPHA
        self.stepper.step(gradient, self.slower * self.rates[step] * rate)
        lengths = self.variable.norm(dim=1, keepdim=True)
        self.variable.mul_((_BOX / lengths.clamp(min=1e-6)).clamp(max=1))

    def restart(self) -> None:
        """Forgets momentum and squares."""
        self.stepper = LeakyAdagrad(self.variable)

    def images(self) -> Tensor:
        """The middle of each canvas, normalised."""
        return self._normalised(False)

    def _normalised(self, anywhere: bool) -> Tensor:
        parts, shares = [], self.draws.shares(len(self.room)) if anywhere else None
        for row, (canvas, room) in enumerate(zip(self.variable, self.room, strict=True)):
            top = left = (room - 1) // 2
            if shares is not None:
                top, left = (shares[row] * room).int().tolist()
            parts.append(canvas[:, top : top + self.side, left : left + self.side])
        made: Tensor = torch.stack(parts) / self.std
        return made


def feature_weight(depth: float) -> float:
    """C of a layer: 300 up to three fifths of the convolutions, 100 up to four, 20 up to all, 1 above."""
    return 300.0 if depth <= 0.6 else 100.0 if depth <= 0.8 else 20.0 if depth <= 1 else 1.0


def jitter(stride: int) -> int:
    """How many places the network's view of a canvas can take along an axis: a quarter of the stride."""
    return max(round(stride / 4), 1)


def started(setting: Setting, draws: Draws) -> Mahendran2016:
    """An inversion at its start."""
    return Mahendran2016(setting, draws)
