"""Two independent answers to compare projections with: captum's, and automatic differentiation's.

Both seed the unit with one and let the backward pass of the rectifiers follow the rule. Where the pixels of
the explicit mirror are wanted for the activation's own value, multiply by it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from captum.attr import NeuronDeconvolution, NeuronGradient, NeuronGuidedBackprop
from torch import Tensor, nn

from deconvviz.deconvnet import Rectification, Unit

CAPTUM: dict[Rectification, Any] = {
    Rectification.DECONVNET: NeuronDeconvolution,
    Rectification.GRADIENT: NeuronGradient,
    Rectification.GUIDED: NeuronGuidedBackprop,
}


def captum_projections(
    module: nn.Module, layer: nn.Module, images: Tensor, units: Sequence[Unit], rule: Rectification
) -> Tensor:
    """(K, 3, H, W): captum's projection of K units of a layer, each seeded with one."""
    inputs = images[[u.image for u in units]].clone().requires_grad_()

    def selected(output: Tensor) -> Tensor:
        return torch.stack([_activation(output[k], unit) for k, unit in enumerate(units)])

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting (backward|forward)", category=UserWarning)
        found: Tensor = CAPTUM[rule](module, layer).attribute(inputs, neuron_selector=selected)
    return found.detach()


def _activation(features: Tensor, unit: Unit) -> Tensor:
    return features[unit.channel] if unit.row is None else features[unit.channel, unit.row, unit.column]


class _Rectifier(torch.autograd.Function):
    """A rectifier whose backward pass follows one of the four rules."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rule: Rectification, top: float) -> Tensor:
        ctx.rule, ctx.on = rule, (x > 0) & (x < top)
        return x.clamp(0, top)

    @staticmethod
    def backward(ctx: Any, signal: Tensor) -> tuple[Tensor, None, None]:
        if ctx.rule in (Rectification.DECONVNET, Rectification.GUIDED):
            signal = signal.clamp(min=0)
        if ctx.rule in (Rectification.GRADIENT, Rectification.GUIDED):
            signal = signal * ctx.on
        return signal, None, None


class _Passed(torch.autograd.Function):
    """Contrast normalisation that the signal passes unchanged on its way down."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, module: nn.Module) -> Tensor:
        return module(x)

    @staticmethod
    def backward(ctx: Any, signal: Tensor) -> tuple[Tensor, None]:
        return signal, None


def autograd_twin(
    chain: Iterable[nn.Module],
    images: Tensor,
    signal: Tensor,
    rule: Rectification,
    lrn_passes: bool = True,
) -> Tensor:
    """What automatic differentiation makes of a signal at the end of a chain of modules, one an image."""
    x = images = images.clone().requires_grad_()
    for module in chain:
        if isinstance(module, nn.ReLU | nn.ReLU6):
            x = _Rectifier.apply(x, rule, 6.0 if isinstance(module, nn.ReLU6) else float("inf"))
        elif isinstance(module, nn.LocalResponseNorm) and lrn_passes:
            x = _Passed.apply(x, module)
        else:
            x = module(x)
    (pixels,) = torch.autograd.grad(x, images, signal)
    return pixels


def relative_error(found: Tensor, wanted: Tensor) -> Tensor:
    """(K,): the relative L2 error of each projection; that of zero against zero is zero."""
    difference = (found - wanted).flatten(1).norm(dim=1)
    return difference / wanted.flatten(1).norm(dim=1).clamp(min=torch.finfo(wanted.dtype).tiny)
