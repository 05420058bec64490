"""Rectification, normalisation and the layers that the signal passes unchanged.

Rectifying applies to the *signal*, whatever the forward rectifier did (deconvnet); the recorded mask cuts
it (gradient); both (guided); or neither (none). Batch normalisation in evaluation mode is an affine map: its
transpose scales and does not shift. Contrast normalisation (LRN) has no inverse in the paper: the signal
passes it unchanged, or, if asked for, its exact transpose at the recorded input.

Source: Zeiler & Fergus 2013, sec. 2.1 ("Rectification"); Springenberg et al. 2014, sec. 3.4; for LRN,
Mahendran & Vedaldi 2016, "Salient Deconvolutional Networks".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import ChainError
from .mirrored import MirroredLayer, map_size, transpose
from .rules import ContrastNormalisation, Rectification, Rules
from .trace import Record
from .windows import Windows


class Rectify(MirroredLayer):
    """The rectifier on the way down, by one of four rules."""

    def __init__(self, record: Record, rule: Rectification) -> None:
        super().__init__(record)
        self.mask, self.rule = record.mask, rule
        if rule.masks and self.mask is None:
            raise ChainError(
                f"'{record.name}' was recorded without its mask, which the {rule.value} rule wants"
            )

    def descend(self, signal: Tensor, above: Windows, below: Windows) -> Tensor:
        """Clamped at zero, cut by the mask, both, or neither."""
        if self.rule.clamps:
            signal = signal.clamp(min=0)
        if self.rule.masks and self.mask is not None:
            signal = signal * (above.crop(self.mask) if signal.ndim == 4 else self.mask[list(above.images)])
        return signal

    def extra_repr(self) -> str:
        """The rule."""
        return self.rule.value


class Scale(MirroredLayer):
    """Batch normalisation transposed: each channel times gamma / sqrt(variance + eps), no shift."""

    def __init__(self, module: nn.BatchNorm2d | nn.BatchNorm1d, record: Record) -> None:
        super().__init__(record)
        if module.running_var is None:
            raise ChainError(f"'{record.name}' normalises by the batch at hand (no running statistics)")
        gamma = module.weight.detach() if module.affine else torch.ones_like(module.running_var)
        self.scale = gamma / torch.sqrt(module.running_var + module.eps)

    def descend(self, signal: Tensor, above: Windows, below: Windows) -> Tensor:
        """The signal, scaled channel by channel."""
        return signal * self.scale.reshape(1, -1, *[1] * (signal.ndim - 2))


class ContrastNormalise(MirroredLayer):
    """Local response normalisation transposed, exactly, at the recorded input."""

    def __init__(self, module: nn.LocalResponseNorm, record: Record) -> None:
        super().__init__(record)
        if record.input is None:
            raise ChainError(f"'{record.name}' was recorded without its input, which its transpose wants")
        self.normalise, self.input = [module], record.input  # in a list: the user's module is not ours to own

    def descend(self, signal: Tensor, above: Windows, below: Windows) -> Tensor:
        """The vector-Jacobian product; the layer looks across channels only, so windows are exact."""
        with torch.inference_mode(False), torch.enable_grad():
            at = above.crop(self.input).clone().requires_grad_()
            (down,) = torch.autograd.grad(self.normalise[0](at), at, signal.clone())
        return down


class Reshape(MirroredLayer):
    """Flattening undone: (K, C*H*W) to (K, C, H, W)."""

    def below(self, above: Windows) -> Windows:
        """The whole map."""
        return Windows.whole(above.images, map_size(self.input_shape))

    def descend(self, signal: Tensor, above: Windows, below: Windows) -> Tensor:
        """The same values as maps."""
        return signal.reshape(len(signal), *self.input_shape[1:])

    def extra_repr(self) -> str:
        """The shape of one image's maps."""
        return "x".join(map(str, self.input_shape[1:]))


class PassThrough(MirroredLayer):
    """A layer that is the identity here: dropout in evaluation, LRN under the identity rule."""


@transpose.register(nn.ReLU)
@transpose.register(nn.ReLU6)
def _(module: nn.Module, record: Record, rules: Rules) -> MirroredLayer:
    return Rectify(record, rules.rectification)


@transpose.register(nn.BatchNorm1d)
@transpose.register(nn.BatchNorm2d)
def _(module: nn.BatchNorm2d, record: Record, rules: Rules) -> MirroredLayer:
    return Scale(module, record)


@transpose.register
def _(module: nn.LocalResponseNorm, record: Record, rules: Rules) -> MirroredLayer:
    exact = rules.lrn is ContrastNormalisation.TRANSPOSE
    return ContrastNormalise(module, record) if exact else PassThrough(record)


@transpose.register
def _(module: nn.Flatten, record: Record, rules: Rules) -> MirroredLayer:
    if len(record.output_shape) != 2:
        raise ChainError(
            f"'{record.name}' flattens to {tuple(record.output_shape)}; only one vector an image has a mirror"
        )
    return Reshape(record)


@transpose.register(nn.Identity)
@transpose.register(nn.Dropout)
@transpose.register(nn.Dropout2d)
def _(module: nn.Module, record: Record, rules: Rules) -> MirroredLayer:
    return PassThrough(record)
