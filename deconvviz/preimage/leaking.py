"""Rectifiers and max-pools that let more of the signal through than they should, on the way down only.

Gradient descent is stuck where a unit is off and ought to be on: no signal reaches the image. It is as
blind where another place of a pooling window ought to hold the maximum: the signal goes to the place that
holds it now. With a leak the optimiser is told the way; what the network computes stays what it is. In the
same number of steps the pre-image of AlexNet's pool5 comes nearly twice as close with leaking rectifiers,
that of its pool1 with leaking pools.

    with leaking(0.1, pools=0.6):
        features = module(images)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it
from torch.overrides import TorchFunctionMode

from ..gradients.rectifying import rectifies, value, works_in_place

_POOLS: set[Any] = {F.max_pool2d, torch.max_pool2d}


@contextmanager
def leaking(share: float, pools: float = 0.0) -> Iterator[None]:
    """Forward passes in this block are differentiated with leaky rectifiers and max-pools.

    Args:
        share: of the signal that passes a rectifier that is off, in [0, 1]; 0 changes nothing.
        pools: the share of the signal that a max-pool spreads evenly over its window, in [0, 1]; likewise.

    Example:
        >>> x = torch.tensor([-1.0, 2.0], requires_grad=True)
        >>> with leaking(0.5):
        ...     y = torch.relu(x)
        >>> y.tolist(), torch.autograd.grad(y.sum(), x)[0].tolist()
        ([0.0, 2.0], [0.5, 1.0])
    """
    if share == pools == 0:
        yield
        return
    with _Leaking(share, pools):
        yield


class _Leaking(TorchFunctionMode):
    """Catches the rectifiers and max-pools of a forward pass."""

    def __init__(self, share: float, pools: float) -> None:
        super().__init__()
        self.share, self.pools = share, pools

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in _POOLS and self.pools:
            return _spread(func(*args, **kwargs), args, kwargs, self.pools)
        top = rectifies(func, args, kwargs)
        if top is None:
            return func(*args, **kwargs)
        x = value(args, kwargs, 0, "input", None)
        y = _Leaky.apply(x, top, self.share)
        return x.copy_(y) if works_in_place(func, args, kwargs) else y


def _spread(found: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], share: float) -> Any:
    """The output of a max-pool, a share of whose gradient is that of the window's mean."""
    names = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    if not isinstance(found, Tensor) or given.get("dilation", 1) not in (1, (1, 1), [1, 1]):
        return found  # with its switches, or with holes in its windows
    given = {n: given[n] for n in names if n in given and n != "dilation"}
    mean = F.avg_pool2d(**given, count_include_pad=False)
    return _Shared.apply(found, mean, share)


class _Shared(torch.autograd.Function):
    """The first of two values, whose gradient goes to both."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, other: Tensor, share: float) -> Tensor:
        ctx.share = share
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *signals: Any) -> Any:
        (signal,) = signals
        return signal * (1 - ctx.share) if ctx.share < 1 else None, signal * ctx.share, None


class _Leaky(torch.autograd.Function):
    """A rectifier whose backward pass leaks."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: float, share: float) -> Tensor:
        y = x.clamp(0, top) if top < float("inf") else x.clamp_min(0)
        ctx.share, ctx.top = share, top
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *signals: Any) -> Any:
        (signal,), (y,) = signals, ctx.saved_tensors
        if ctx.top < float("inf"):
            return torch.where((y > 0) & (y < ctx.top), signal, signal * ctx.share), None, None
        # one pass over the memory instead of three
        return torch.ops.aten.leaky_relu_backward(signal, y, ctx.share, False), None, None
