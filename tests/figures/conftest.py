"""A photograph and a projection made by hand."""

from __future__ import annotations

import pytest
import torch

from deconvviz import Projection, Unit

from .support import CHANNELS, CUT, SIDE, UNCUT, noise


@pytest.fixture
def photo():
    return noise(3, SIDE, SIDE).sigmoid()


@pytest.fixture
def projection():
    """Four units: the third is inactive, and nothing arrives from the fourth."""
    pixels = torch.zeros(4, 3, SIDE, SIDE)
    for k, (top, left, height, width) in enumerate(CUT[:2]):
        pixels[k, :, top : top + height, left : left + width] = noise(3, height, width, seed=k) * (1 + 4 * k)
        pixels[k, :, top + 2, left + 2] = 0
    units = tuple(Unit("conv3", c, row=k, column=k) for k, c in enumerate(CHANNELS))
    values = torch.tensor([12.3456, 5.0, 0.0, 1.5])
    return Projection(pixels, units, values, torch.tensor(CUT), torch.tensor(UNCUT))
