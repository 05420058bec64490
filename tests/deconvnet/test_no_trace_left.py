"""Recording and projecting leave the user's network, and torch, as they were; also after an exception."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deconvviz import project, record
from deconvviz.deconvnet import ContrastNormalisation, Rectification, Rules, Unit
from deconvviz.errors import DeconvvizError

from ..strategies import noise

HOOKS = [
    "_forward_hooks",
    "_forward_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_hooks",
    "_backward_pre_hooks",
]
FLAGS = ["training", "inplace", "return_indices"]


class Failing(nn.Module):
    """Raises what it was given, in the middle of a pass."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def forward(self, images: Tensor) -> Tensor:
        raise self.error


def network(*more: nn.Module) -> nn.Sequential:
    """Training and evaluation mode, in-place rectifiers, frozen parameters and gradients, all mixed."""
    first = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    last = [nn.LocalResponseNorm(3), nn.Conv2d(4, 2, 1), nn.ReLU6(inplace=True), nn.Dropout(inplace=True)]
    net = nn.Sequential(*first, *more, *last, nn.Flatten(), nn.Linear(18, 2)).double()
    net[1].eval()
    net[0].bias.requires_grad_(False)
    net(noise(0, 2, 3, 8, 8)).sum().backward() if not more else None
    net[2].register_forward_hook(lambda *_: None)
    return net


def snapshot(net: nn.Module) -> dict[str, Any]:
    """All of a network that recording could touch, and torch's random state."""
    seen: dict[str, Any] = {"random": torch.get_rng_state().tolist(), "grad": torch.is_grad_enabled()}
    for path, module in net.named_modules():
        for hooks in HOOKS:
            seen[f"{path}.{hooks}"] = list(getattr(module, hooks).items())
        for flag in FLAGS:
            seen[f"{path}.{flag}"] = getattr(module, flag, None)
        seen[f"{path}.attributes"] = sorted(vars(module))
    for name, value in (*net.named_parameters(), *net.named_buffers()):
        grad = value.grad.tolist() if value.grad is not None else None
        seen[name] = (id(value), value._version, value.tolist(), value.requires_grad, grad)
    return seen


def all_rules() -> list[Rules]:
    return [Rules(rule, lrn=lrn) for rule in Rectification for lrn in ContrastNormalisation]


@pytest.mark.parametrize("layers", [[], ["2"], ["0", "9"], ["3"]])
def test_after_recording(layers: list[str]) -> None:
    net, images = network(), noise(1, 2, 3, 8, 8)
    before, pixels = snapshot(net), images.clone()
    record(net, images, layers)
    assert snapshot(net) == before
    assert torch.equal(images, pixels)
    assert images.grad is None


@pytest.mark.parametrize("rules", all_rules(), ids=lambda r: f"{r.rectification.value}-{r.lrn.value}")
@pytest.mark.parametrize("layer", ["3", "6", "9"])
def test_after_projecting(layer: str, rules: Rules) -> None:
    net = network()
    before = snapshot(net)
    projection = project(net, noise(1, 1, 3, 8, 8).requires_grad_(), [Unit(layer, 1)], rules=rules)
    assert snapshot(net) == before
    assert not projection.pixels.requires_grad
    assert projection.pixels.grad_fn is None


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (RuntimeError("broke"), DeconvvizError),
        (ValueError("broke"), ValueError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
@pytest.mark.parametrize(
    "call", [lambda net, x: record(net, x), lambda net, x: project(net, x, [Unit("6", 0)])]
)
def test_after_an_exception_in_the_middle_of_a_pass(
    call: Callable[[nn.Module, Tensor], Any], error: BaseException, raised: type[BaseException]
) -> None:
    net = network(Failing(error))
    before = snapshot(net)
    with pytest.raises(raised):
        call(net, noise(1, 1, 3, 8, 8))
    assert snapshot(net) == before


def test_after_an_exception_in_a_users_hook() -> None:
    net = network()

    def broken(*_: Any) -> None:
        raise ValueError("in a hook")

    net[5].register_forward_hook(broken)
    before = snapshot(net)
    with pytest.raises(ValueError, match="in a hook"):
        record(net, noise(1, 1, 3, 8, 8), ["6"])
    assert snapshot(net) == before


def test_the_users_own_hooks_fire_and_see_what_they_always_see() -> None:
    net, images = network().eval(), noise(1, 1, 3, 8, 8)
    seen: list[tuple[str, Any]] = []
    for path in ("2", "3", "5"):
        module = net.get_submodule(path)
        module.register_forward_pre_hook(
            lambda m, args, path=path: seen.append((f"before {path}", args[0].clone()))
        )
        module.register_forward_hook(lambda m, args, output, path=path: seen.append((path, output.clone())))
    with torch.no_grad():
        net(images)
    wanted, seen[:] = list(seen), []
    record(net, images, ["5"])
    assert [name for name, _ in seen] == [name for name, _ in wanted]
    for (_, found), (_, real) in zip(seen, wanted, strict=True):
        torch.testing.assert_close(found, real)


def test_kept_maps_outlive_in_place_work_on_them() -> None:
    class InPlace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.top = nn.Conv2d(3, 4, 3).double(), nn.Conv2d(4, 2, 1).double()

        def forward(self, images: Tensor) -> Tensor:
            return self.top(torch.relu_(self.conv(images)))

    net, images = InPlace(), noise(1, 1, 3, 8, 8)
    trace = record(net, images, ["conv", "top"])
    with torch.no_grad():
        assert torch.equal(trace.maps["conv"], net.conv(images))
    assert (trace.maps["conv"] < 0).any()
    assert (record(network(), images, ["1", "2"]).maps["1"] < 0).any()
