"""Images by their Fourier coefficients, scaled as photographs are: a space in which steps suit images.

A step of the optimiser in pixels moves every pixel alone; in this space it moves whole gratings, the low
frequencies, in which photographs have most of their energy, by as much more as photographs have more of them.
The optimum of an objective is the same; the way there is much shorter.

Source: Olah, Mordvintsev & Schubert, "Feature Visualization", Distill 2017 (decorrelated, in their words).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Frequencies:
    """Fourier coefficients of square images.

    Attributes:
        side: of the images, in pixels.
        decay: amplitudes fall with frequency^-decay; 1 is that of photographs.
    """

    def __init__(self, side: int, decay: float = 1.0, device: torch.device | None = None) -> None:
        self.side, self.decay = side, decay
        rows = torch.fft.fftfreq(side, device=device)[:, None]
        columns = torch.fft.rfftfreq(side, device=device)[None]
        self.squares = rows.square() + columns.square()
        fall = self.squares.sqrt().clamp(min=1 / side).pow(-decay)
        self.amplitudes = fall / fall.square().mean().sqrt()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image's coefficients: channels, rows, columns, real and imaginary part."""
        return (3, *self.amplitudes.shape, 2)

    def images(self, coefficients: Tensor, blur: float = 0.0) -> Tensor:
        """The images of coefficients.

        Args:
            coefficients: (N, *shape).
            blur: the standard deviation of a Gaussian that the images are blurred with, in pixels.

        Returns:
            (N, 3, side, side).
        """
        amplitudes = self.amplitudes
        if blur:
            amplitudes = amplitudes * torch.exp(-2 * (math.pi * blur) ** 2 * self.squares)
        spectrum = torch.view_as_complex(coefficients) * amplitudes
        made: Tensor = torch.fft.irfft2(spectrum, s=(self.side, self.side), norm="ortho")
        return made
