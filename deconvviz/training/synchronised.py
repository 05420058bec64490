"""Batch norm and dropout that act on the global batch, however many processes share it.

torch's `SyncBatchNorm` does not run on CPUs, and its `Dropout` draws for one process only; with these two
the loss curve of N processes is the curve of one with the same global batch, to rounding. Alone, a process
uses torch's own batch norm; dropout's mask is drawn here in any case, so that both draw the same.
"""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.modules.batchnorm import _BatchNorm

from .processes import Processes


def globally(module: nn.Module, processes: Processes) -> nn.Module:
    """The module with its batch norms and dropouts acting on the global batch, in place.

    Args:
        module: its parameters and buffers are kept, under the same names.
        processes: who shares the batch.
    """
    for name, child in list(module.named_children()):
        if isinstance(child, _BatchNorm) and processes.count > 1:
            setattr(module, name, GlobalBatchNorm(child, processes.count))
        elif type(child) is nn.Dropout:
            setattr(module, name, GlobalDropout(child.p, processes))
        else:
            globally(child, processes)
    return module


class GlobalDropout(nn.Module):
    """Dropout whose mask is drawn for the global batch; every process keeps its own rows."""

    def __init__(self, p: float, processes: Processes) -> None:
        """Takes the probability of a zero."""
        super().__init__()
        self.p, self._rank, self._count = p, processes.rank, processes.count

    def forward(self, values: Tensor) -> Tensor:
        """Zeroes values of (N, ...) at random in training and scales up the rest."""
        if not self.training or not self.p:
            return values
        n = len(values)
        shape = (n * self._count, *values.shape[1:])
        kept = torch.rand(shape, device=values.device)[self._rank * n : (self._rank + 1) * n] >= self.p
        return values * (kept.to(values.dtype) / max(1 - self.p, 1e-9))  # of p = 1 nothing is kept


class GlobalBatchNorm(nn.Module):
    """Batch norm over the maps of all processes; takes over the parameters of torch's."""

    def __init__(self, norm: _BatchNorm, count: int) -> None:
        """Shares the parameters and buffers of `norm`."""
        super().__init__()
        self._parameters = norm._parameters
        self._buffers = norm._buffers
        self._norm, self._count = [copy.copy(norm)], count  # in a list: not a submodule

    def forward(self, values: Tensor) -> Tensor:
        """Normalises (N, C, ...) by the global batch in training, by the running values otherwise."""
        norm = self._norm[0]
        norm._parameters, norm._buffers, norm.training = self._parameters, self._buffers, self.training
        if not self.training:
            return cast(Tensor, norm(values))
        axes = [0, *range(2, values.ndim)]
        exact = values.float()
        number = values.numel() / values.shape[1] * self._count
        mean = _summed(exact.sum(axes)) / number
        shape = [1, -1] + [1] * (values.ndim - 2)
        centred = exact - mean.view(shape)
        variance = _summed((centred * centred).sum(axes)) / number
        self._track(mean.detach(), variance.detach() * number / max(number - 1, 1), norm)
        scaled = centred * torch.rsqrt(variance + norm.eps).view(shape)
        if norm.affine:
            scaled = scaled * self._weight("weight").view(shape) + self._weight("bias").view(shape)
        return scaled.to(values.dtype)

    def _weight(self, name: str) -> Tensor:
        return cast(Tensor, self._parameters[name])

    def _track(self, mean: Tensor, variance: Tensor, norm: _BatchNorm) -> None:
        buffers: dict[str, Any] = self._buffers
        if not norm.track_running_stats:
            return
        buffers["num_batches_tracked"].add_(1)
        share = norm.momentum if norm.momentum is not None else 1 / int(buffers["num_batches_tracked"])
        buffers["running_mean"].lerp_(mean, share)
        buffers["running_var"].lerp_(variance, share)


class _Summed(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def _summed(values: Tensor) -> Tensor:
    return cast(Tensor, _Summed.apply(values))
