"""The backward rules of the deconvnet inside automatic differentiation, in any network.

    with ruled(module, Rules(Rectification.GUIDED)):
        scores = module(images)
    (pixels,) = torch.autograd.grad(scores[0, 207], images)

While the forward pass runs, every rectifier that it calls is replaced by one with the same output and another
backward rule: modules, functions (`F.relu`), methods and in-place forms (`relu_`) alike, since the *call* is
caught and not the module. Contrast normalisation and centre unpooling are treated the same way. Nothing is
hooked into the network, so nothing has to be taken out of it.

Where it does not apply: an activation that is no rectifier (GELU, SiLU, leaky ReLU, ...) has no deconvnet or
guided rule and is refused by name rather than differentiated silently; calls inside TorchScript cannot be
caught and are refused too. The gradient rule serves both.

Source: Simonyan et al. 2013, sec. 4; Springenberg et al. 2014, sec. 3.4; Mahendran & Vedaldi 2016, "Salient
Deconvolutional Networks".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it
from torch.overrides import TorchFunctionMode

from ..deconvnet import Record, transpose
from ..deconvnet.rules import ContrastNormalisation, Rectification, Rules, Unpooling
from ..errors import ChainError

_RELU: set[Any] = {F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
_CLAMP: set[Any] = {torch.clamp, torch.clamp_, Tensor.clamp, Tensor.clamp_, torch.clip, torch.clip_}
_CLAMP |= {Tensor.clip, Tensor.clip_}
_CLAMP_MIN: set[Any] = {torch.clamp_min, torch.clamp_min_, Tensor.clamp_min, Tensor.clamp_min_}
_IN_PLACE: set[Any] = {torch.relu_, Tensor.relu_, torch.clamp_, Tensor.clamp_, torch.clip_, Tensor.clip_}
_IN_PLACE |= {torch.clamp_min_, Tensor.clamp_min_}
NO_RECTIFIER: dict[Any, str] = {
    F.gelu: "GELU",
    F.silu: "SiLU",
    F.leaky_relu: "leaky ReLU",
    F.elu: "ELU",
    F.selu: "SELU",
    F.celu: "CELU",
    F.mish: "Mish",
    F.hardswish: "hard swish",
    F.softplus: "softplus",
    F.prelu: "PReLU",
    F.rrelu: "RReLU",
    F.hardtanh: "hard tanh",
    **dict.fromkeys((torch.tanh, Tensor.tanh), "tanh"),
}
"""Activations to which the rectifiers' rules cannot be applied, and their names."""


@contextmanager
def ruled(module: nn.Module, rules: Rules) -> Iterator[None]:
    """Forward passes in this block are differentiated by the rules.

    Args:
        module: the network that is about to run, to see whether its calls can be caught.
        rules: rectification, unpooling and treatment of contrast normalisation.

    Raises:
        ChainError: the network, or a call in the pass, has no such rule.

    Example:
        >>> x = torch.tensor([-1.0, 2.0], requires_grad=True)
        >>> with ruled(nn.ReLU(), Rules()):
        ...     y = F.relu(x)
        >>> torch.autograd.grad(y, x, torch.tensor([3.0, -4.0]))
        (tensor([3., 0.]),)
    """
    if rules == Rules(Rectification.GRADIENT, Unpooling.SWITCHES, ContrastNormalisation.TRANSPOSE):
        yield  # what automatic differentiation does by itself
        return
    script = next((p for p, m in module.named_modules() if isinstance(m, torch.jit.ScriptModule)), None)
    if script is not None:
        where = f"'{script}'" if script else "the network"
        raise ChainError(
            f"{where} is compiled (TorchScript), where no rule reaches its rectifiers; take the gradient "
            "rule, or the network before it was compiled"
        )
    with _Ruled(rules):
        yield


class _Ruled(TorchFunctionMode):  # type: ignore[no-untyped-call, unused-ignore]  # torch's class, untyped
    """Catches the calls of a forward pass."""

    def __init__(self, rules: Rules) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.rules = rules

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        rule = self.rules.rectification
        top = rectifies(func, args, kwargs)
        if top is not None:
            if rule is Rectification.GRADIENT:
                return func(*args, **kwargs)
            x = args[0] if args else kwargs["input"]
            y = _Rectified.apply(x, top, rule)
            return x.copy_(y) if func in _IN_PLACE or _option(kwargs, args, 1, "inplace", func) else y
        if func in NO_RECTIFIER and rule is not Rectification.GRADIENT:
            raise ChainError(
                f"the network calls {NO_RECTIFIER[func]}, which is no rectifier: the {rule.value} rule is "
                "not defined for it; the gradient rule is"
            )
        if func is F.local_response_norm and self.rules.lrn is ContrastNormalisation.IDENTITY:
            return _Replaced.apply(args[0], lambda x: func(x, *args[1:], **kwargs), None)
        if func in (F.max_pool2d, torch.max_pool2d) and self.rules.unpooling is Unpooling.CENTRE:
            return _pooled(func, args, kwargs, self.rules)
        return func(*args, **kwargs)


def rectifies(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> float | None:
    """Where a call is a rectifier: the value it saturates at, infinite for most; None for any other call."""
    if func in _RELU:
        return float("inf")
    if func is F.relu6:
        return 6.0
    if func is F.hardtanh and value(args, kwargs, 1, "min_val", -1.0) == 0:
        return float(value(args, kwargs, 2, "max_val", 1.0))
    if func is F.threshold and all(
        value(args, kwargs, i, n, 1) == 0 for i, n in ((1, "threshold"), (2, "value"))
    ):
        return float("inf")
    if func in _CLAMP_MIN and _zero(value(args, kwargs, 1, "min", None)):
        return float("inf")
    if func in _CLAMP and _zero(value(args, kwargs, 1, "min", None)):
        top = value(args, kwargs, 2, "max", None)
        return float("inf") if top is None else None if isinstance(top, Tensor) else float(top)
    return None


def value(args: tuple[Any, ...], kwargs: Mapping[str, Any], place: int, name: str, default: Any) -> Any:
    """An argument of a caught call, given by place or by name."""
    return args[place] if len(args) > place else kwargs.get(name, default)


def _zero(value: Any) -> bool:
    return isinstance(value, int | float) and value == 0


def _option(kwargs: Mapping[str, Any], args: tuple[Any, ...], place: int, name: str, func: Any) -> bool:
    """Whether a function of torch.nn.functional was told to work in place."""
    place = {F.hardtanh: 3, F.threshold: 3}.get(func, place)
    return func in (F.relu, F.relu6, F.hardtanh, F.threshold) and bool(
        value(args, kwargs, place, name, False)
    )


class _Rectified(torch.autograd.Function):
    """A rectifier whose backward pass clamps the signal, cuts it where the rectifier was off, or both."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: float, rule: Rectification) -> Tensor:
        y = x.clamp(0, top) if top < float("inf") else x.clamp_min(0)
        ctx.rule = rule
        ctx.save_for_backward((y > 0) & (y < top) if rule.masks else None)
        return y

    @staticmethod
    def backward(ctx: Any, *signals: Any) -> Any:
        (signal,), (on,) = signals, ctx.saved_tensors
        signal = signal.clamp_min(0) if ctx.rule.clamps else signal
        return (signal if on is None else signal * on), None, None


class _Replaced(torch.autograd.Function):
    """A call whose backward pass is given: another function of the signal, or None to pass it unchanged."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, call: Callable[[Tensor], Any], down: Callable[[Tensor], Tensor] | None
    ) -> Any:
        ctx.down = down
        return call(x)

    @staticmethod
    def backward(ctx: Any, *signals: Any) -> Any:
        return (signals[0] if ctx.down is None else ctx.down(signals[0])), None, None


def _pooled(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], rules: Rules) -> Any:
    """Max-pooling whose signal goes to the centre of each window: the mirror's own transpose of it."""
    x = args[0] if args else kwargs["input"]
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    settings = {n: v for n, v in {**dict(zip(names, args[1:], strict=False)), **kwargs}.items() if n in names}
    pool = nn.MaxPool2d(**settings)

    def down(signal: Tensor) -> Tensor:
        record = Record("max_pool2d", pool, x.shape, signal.shape)
        below: Tensor = transpose(pool, record, rules)(signal)
        return below

    return _Replaced.apply(x, pool, down)
