"""Comparisons made by hand, for what draws them."""

from __future__ import annotations

import torch

from deconvviz import Unit
from deconvviz.compare.answers import Answer, Comparison
from deconvviz.compare.methods import METHODS

SIDE = 24
PATCH = (3, 14, 5, 6)
"""Where the one activation's signal arrives at the first layer: top, left, height, width."""
ERRORS = ("psnr", "ssim", "explained", "image_error", "feature_error")


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def answered(layer: str, method: str, seed: int = 0, side: int = SIDE, patch: bool = False) -> Answer:
    """A cell whose numbers all differ from those of any other seed."""
    signal = noise(3, side, side, seed=seed)
    if patch and method in ("strongest", "guided", "gradient"):
        top, left, height, width = PATCH
        within = torch.zeros(side, side, dtype=torch.bool)
        within[top : top + height, left : left + width] = True
        signal = signal * within
    errors = {name + end: 1 + seed + k / 8 for k, name in enumerate(ERRORS) for end in ("",)}
    errors |= {f"{name}_fitted": value + 20 for name, value in errors.items()}
    one = None if method in ("layer", "decoder", "optimised") else Unit(layer, 7, row=2, column=5)
    return Answer(
        layer,
        method,
        signal=signal,
        picture=signal.sigmoid(),
        unit=one,
        activation=3.5,
        seconds=0.25 + seed,
        errors=errors,
    )


def compared(
    name: str = "cat.jpg",
    layers: tuple[str, ...] = ("conv1", "fc8"),
    methods: tuple[str, ...] = tuple(METHODS),
    *,
    seed: int = 0,
    side: int = SIDE,
    missing: tuple[tuple[str, str], ...] = (),
    why: str = "no decoder for it",
    advice: str = "deconvviz train-decoder --layer it --model tiny",
) -> Comparison:
    """All cells, those of the first layer with a small patch; the missing ones empty."""
    answers = {}
    for i, layer in enumerate(layers):
        for j, method in enumerate(methods):
            cell, number = (layer, method), seed + len(methods) * i + j
            answers[cell] = (
                Answer(layer, method, missing=why, advice=advice)
                if cell in missing
                else answered(layer, method, number, side, patch=i == 0)
            )
    return Comparison(name, noise(3, side, side, seed=99 + seed).sigmoid(), layers, methods, answers)
