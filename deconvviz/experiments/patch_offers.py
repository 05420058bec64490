"""Which layers can be applied to patches alone, how, and at what price.

A price is in multiplications; a number that is moved from one place in memory to another counts as several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from .patch_layers import CellByCell, CutOut, Differences, Passed, Step
from .patches import Pair, Patches, Sliding

_MOVE = 16  # multiplications that take as long as moving one number, roughly
_CELL_BY_CELL = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Softplus,
    nn.Sigmoid,
    nn.Tanh,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Hardtanh,
    nn.BatchNorm2d,
    nn.LocalResponseNorm,
)
_PASSED = (nn.Identity, nn.Dropout, nn.Dropout2d)


@dataclass(frozen=True)
class Offer:
    """One way to apply a layer to patches.

    Attributes:
        price: for one occluded image.
        build: makes the step.
        patches: those on its output.
    """

    price: float
    build: Callable[[], Step]
    patches: Patches


def offers(
    module: nn.Module, given: Tensor, gave: Tensor, patches: Patches, batch_size: int
) -> Iterator[Offer]:
    """Every way there is; none where the layer needs whole maps.

    Args:
        module: the layer, in evaluation mode. Subclasses may do anything, and are not known.
        given: (1, C, H, W) its input for the uncovered image.
        gave: its output for it.
        patches: of all occluded images, on its input.
        batch_size: how many of them will come at once.
    """
    kind = type(module)
    if kind in _PASSED or (kind is nn.AdaptiveAvgPool2d and gave.shape == given.shape):
        yield Offer(0.0, Passed, patches)
    elif kind in _CELL_BY_CELL and not (kind is nn.BatchNorm2d and module.running_mean is None):
        yield Offer(_MOVE * given.shape[1] * _cells(patches), partial(CellByCell, module), patches)
    elif kind is nn.Conv2d and isinstance(module, nn.Conv2d):
        if module.padding_mode == "zeros" and module.padding != "same":
            yield from _convolutions(module, given, gave, patches, batch_size)
    elif isinstance(module, nn.MaxPool2d | nn.AvgPool2d) and kind in (nn.MaxPool2d, nn.AvgPool2d):
        sliding = _sliding(module, gave)
        after = patches.beyond(sliding)
        moved = given.shape[1] * (_cells(after) + _seen(after, sliding))
        yield Offer(_MOVE * moved, partial(_pool, module, sliding, given), after)


def _convolutions(
    module: nn.Conv2d, given: Tensor, gave: Tensor, patches: Patches, batch_size: int
) -> Iterator[Offer]:
    """Of the patches with what lies around them, and of differences."""
    sliding = _sliding(module, gave)
    after = patches.beyond(sliding)
    into, out, weights = module.in_channels, module.out_channels, module.weight.numel()
    moved = _cells(after) * out + _seen(after, sliding) * into + _calls(after, batch_size) * weights
    yield Offer(
        _cells(after) * weights + _MOVE * moved,
        lambda: CutOut(_convolution(module), sliding, given, out),
        after,
    )
    if module.groups == 1:
        products = _cells(patches) * weights // into  # numbers
        yield Offer(
            products * (into + _MOVE),
            lambda: Differences(module, sliding, flattened(given), flattened(gave)),
            after,
        )


def flattened(maps: Tensor) -> Tensor:
    """(1, C, H, W) to (H W, C)."""
    return maps[0].flatten(1).T.contiguous()


def whole_price(module: nn.Module, given: Tensor, gave: Tensor) -> float:
    """Of the layer on whole maps."""
    moved = _MOVE * (given.numel() + gave.numel())
    if isinstance(module, nn.Conv2d):
        return gave[0, 0].numel() * module.weight.numel() + moved
    return module.weight.numel() if isinstance(module, nn.Linear) else moved


def _cells(patches: Patches) -> float:
    """Of one patch, on average."""
    return float(patches.sizes.prod(1).double().mean())


def _seen(after: Patches, sliding: Sliding) -> float:
    """Cells of the input that one patch of the output sees, on average."""
    rows, columns = (
        (n - 1) * s + d * (k - 1) + 1
        for n, k, s, d in zip(
            after.sizes.double().unbind(1), sliding.kernel, sliding.stride, sliding.dilation, strict=True
        )
    )
    return float((rows * columns).mean())


def _calls(after: Patches, batch_size: int) -> float:
    """How often the layer is called for one occluded image: once for each size in a batch."""
    sizes = [(rows, columns) for rows, columns in after.sizes.tolist()]
    batches = range(0, len(sizes), batch_size)
    return sum(len(set(sizes[i : i + batch_size])) for i in batches) / len(sizes)


def _sliding(module: nn.Module, gave: Tensor) -> Sliding:
    kernel, stride, padding, dilation = (
        _pair(getattr(module, name, 1)) for name in ("kernel_size", "stride", "padding", "dilation")
    )
    return Sliding(kernel, stride, padding, dilation, (gave.shape[2], gave.shape[3]))


def _pair(value: int | tuple[int, ...] | str) -> Pair:
    if isinstance(value, str):  # "valid"
        return 0, 0
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _convolution(module: nn.Conv2d) -> Callable[[Tensor], Tensor]:
    """Without padding."""
    return partial(
        F.conv2d,
        weight=module.weight.contiguous(memory_format=torch.channels_last),
        bias=module.bias,
        stride=module.stride,
        dilation=module.dilation,
        groups=module.groups,
    )


def _pool(module: nn.MaxPool2d | nn.AvgPool2d, sliding: Sliding, given: Tensor) -> Step:
    channels = given.shape[1]
    if isinstance(module, nn.MaxPool2d):
        most = partial(
            F.max_pool2d, kernel_size=sliding.kernel, stride=sliding.stride, dilation=sliding.dilation
        )
        return CutOut(most, sliding, given, channels, outside=float("-inf"))
    total = partial(F.avg_pool2d, kernel_size=sliding.kernel, stride=sliding.stride, divisor_override=1)
    return CutOut(total, sliding, given, channels, divisor=_divisor(module, sliding, given))


def _divisor(module: nn.AvgPool2d, sliding: Sliding, given: Tensor) -> Tensor:
    """(H, W) what each sum is divided by: a padded cell counts or not, one beyond the padding never."""
    if module.divisor_override is not None:
        return given.new_full(sliding.map_size, float(module.divisor_override))
    counts = []
    for n, size, k, s, p in zip(
        sliding.map_size, given.shape[2:], sliding.kernel, sliding.stride, sliding.padding, strict=True
    ):
        first = torch.arange(n, device=given.device) * s - p
        past = (first + k).clamp(max=size + p)
        if not module.count_include_pad:
            first, past = first.clamp(min=0), past.clamp(max=size)
        counts.append((past - first).to(given.dtype))
    return counts[0][:, None] * counts[1]
