"""A rectifier that lets a part of the signal through where it is off, on the way down only.

Gradient descent through rectifiers is stuck where a unit is off and ought to be on: no signal reaches the
image. With a leak the optimiser is told the way; what the network computes stays what it is. The pre-image
of AlexNet's pool5 comes about twice as close in the same number of steps.

    with leaking(0.1):
        features = module(images)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ..gradients.rectifying import rectifies, value, works_in_place


@contextmanager
def leaking(share: float) -> Iterator[None]:
    """Forward passes in this block are differentiated with leaky rectifiers.

    Args:
        share: of the signal that passes a rectifier that is off, in [0, 1]; 0 changes nothing.

    Example:
        >>> x = torch.tensor([-1.0, 2.0], requires_grad=True)
        >>> with leaking(0.5):
        ...     y = torch.relu(x)
        >>> y.tolist(), torch.autograd.grad(y.sum(), x)[0].tolist()
        ([0.0, 2.0], [0.5, 1.0])
    """
    if share == 0:
        yield
        return
    with _Leaking(share):
        yield


class _Leaking(TorchFunctionMode):  # type: ignore[no-untyped-call, unused-ignore]  # torch's class, untyped
    """Catches the rectifiers of a forward pass."""

    def __init__(self, share: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.share = share

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        top = rectifies(func, args, kwargs)
        if top is None:
            return func(*args, **kwargs)
        x = value(args, kwargs, 0, "input", None)
        y = _Leaky.apply(x, top, self.share)
        return x.copy_(y) if works_in_place(func, args, kwargs) else y


class _Leaky(torch.autograd.Function):
    """A rectifier whose backward pass leaks."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: float, share: float) -> Tensor:
        y = x.clamp(0, top) if top < float("inf") else x.clamp_min(0)
        ctx.share = share
        ctx.save_for_backward((y > 0) & (y < top) if top < float("inf") else y > 0)
        return y

    @staticmethod
    def backward(ctx: Any, *signals: Any) -> Any:
        (signal,), (on,) = signals, ctx.saved_tensors
        return torch.where(on, signal, signal * ctx.share), None, None
