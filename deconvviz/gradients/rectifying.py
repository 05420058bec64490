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
caught and are refused too. The gradient rule serves both. A rectifier that is written out as arithmetic
(``x * (x > 0)``, ``torch.maximum(x, zeros)``) is not recognised and is differentiated as what it is.

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
_HARDTANH: set[Any] = {F.hardtanh, F.hardtanh_}
_THRESHOLD: set[Any] = {F.threshold, torch.threshold, torch.threshold_}
NO_RECTIFIER: dict[Any, str] = {
    F.gelu: "GELU",
    F.silu: "SiLU",
    F.mish: "Mish",
    F.hardswish: "hard swish",
    F.softplus: "softplus",
    F.softsign: "softsign",
    F.prelu: "PReLU",
    **dict.fromkeys((F.leaky_relu, F.leaky_relu_), "leaky ReLU"),
    **dict.fromkeys((F.elu, F.elu_), "ELU"),
    **dict.fromkeys((F.selu, torch.selu, torch.selu_), "SELU"),
    **dict.fromkeys((F.celu, torch.celu, torch.celu_), "CELU"),
    **dict.fromkeys((F.rrelu, torch.rrelu, torch.rrelu_), "RReLU"),
    **dict.fromkeys((torch.tanh, torch.tanh_, Tensor.tanh, Tensor.tanh_), "tanh"),
    **dict.fromkeys(_HARDTANH, "a hard tanh that does not begin at zero"),
    **dict.fromkeys(_THRESHOLD, "a threshold other than zero"),
}
"""Activations to which the rectifiers' rules cannot be applied, and their names."""
_LOOSE_POOLS: set[Any] = {
    F.max_pool2d_with_indices,
    F.adaptive_max_pool2d,
    F.adaptive_max_pool2d_with_indices,
}
"""Max-pools for which the mirror knows no centre of a window."""


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
    script = next((p for p, m in module.named_modules() if isinstance(m, torch.jit.ScriptModule)), None)
    exact = Rules(Rectification.GRADIENT, Unpooling.SWITCHES, ContrastNormalisation.TRANSPOSE)
    if script is not None and rules != exact:
        where = f"'{script}'" if script else "the network"
        raise ChainError(
            f"{where} is compiled (TorchScript), where no rule reaches its rectifiers; take the exact "
            "gradient (gradient rule, switches, lrn transposed), or the network before it was compiled"
        )
    with _Ruled(rules):
        yield


class _Ruled(TorchFunctionMode):
    """Catches the calls of a forward pass."""

    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self.rules = rules

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        rule = self.rules.rectification
        top = rectifies(func, args, kwargs)
        if top is not None:
            if rule is Rectification.GRADIENT and func not in _RELU:
                return func(*args, **kwargs)  # torch's ReLU keeps its output, on which the next may write
            x = value(args, kwargs, 0, "input", None)
            y = _Rectified.apply(x, top, rule)
            return x.copy_(y) if works_in_place(func, args, kwargs) else y
        if func in NO_RECTIFIER and rule is not Rectification.GRADIENT:
            raise ChainError(
                f"the network calls {NO_RECTIFIER[func]}, which is no rectifier: the {rule.value} rule is "
                "not defined for it; the gradient rule is"
            )
        if func is F.local_response_norm and self.rules.lrn is ContrastNormalisation.IDENTITY:
            x = args[0] if args else kwargs.pop("input")
            return _Replaced.apply(x, lambda x: func(x, *args[1:], **kwargs), None)
        if self.rules.unpooling is Unpooling.CENTRE:
            if func in (F.max_pool2d, torch.max_pool2d):
                return _pooled(args, kwargs, self.rules)
            if func in _LOOSE_POOLS:
                raise ChainError(
                    f"the network calls {func.__name__}, for which no centre of a window is known; unpool by "
                    "switches"
                )
        return func(*args, **kwargs)


def rectifies(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> float | None:
    """Where a call is a rectifier: the value it saturates at, infinite for most; None for any other call."""
    if func in _RELU:
        return float("inf")
    if func is F.relu6:
        return 6.0
    if func in _HARDTANH and value(args, kwargs, 1, "min_val", -1.0) == 0:
        return float(value(args, kwargs, 2, "max_val", 1.0))
    if func in _THRESHOLD and all(
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


def works_in_place(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether a rectifier was called to work in place: by its name, or by an option of torch's functions."""
    place = {F.relu: 1, F.relu6: 1, F.hardtanh: 3, F.threshold: 3}.get(func)
    named: bool = func.__name__.endswith("_")
    return named or (place is not None and bool(value(args, kwargs, place, "inplace", False)))


class _Rectified(torch.autograd.Function):
    """A rectifier whose backward pass clamps the signal, cuts it where it was off, both, or neither."""

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


def _pooled(args: tuple[Any, ...], kwargs: Mapping[str, Any], rules: Rules) -> Any:
    """Max-pooling whose signal goes to the centre of each window: the mirror's own transpose of it."""
    x = value(args, kwargs, 0, "input", None)
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    settings = {n: v for n, v in {**dict(zip(names, args[1:], strict=False)), **kwargs}.items() if n in names}
    pool = nn.MaxPool2d(**settings)

    def down(signal: Tensor) -> Tensor:
        record = Record("max_pool2d", pool, x.shape, signal.shape)
        below: Tensor = transpose(pool, record, rules)(signal)
        return below

    return _Replaced.apply(x, pool, down)
