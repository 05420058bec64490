"""Differentiating a network leaves it, and torch, as they were; also after an exception."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it
from torch.overrides import _get_current_function_mode_stack

from deconvviz.deconvnet import ContrastNormalisation, Rectification, Rules, Unit, Unpooling
from deconvviz.errors import DeconvvizError
from deconvviz.gradients.projection import project_by_autograd
from deconvviz.gradients.saliency import saliency

from ..deconvnet.test_no_trace_left import Failing, network, snapshot
from ..strategies import noise
from .support import as_network

Call = Callable[[nn.Module, Tensor], Any]
RULES = [Rules(r, u, lrn) for r in Rectification for u in Unpooling for lrn in ContrastNormalisation]


def saliency_of(net: nn.Module, images: Tensor, rule: Rectification = Rectification.GUIDED) -> Any:
    modes = [module.training for module in net.modules()]
    wrapped = as_network(net)
    for module, training in zip(net.modules(), modes, strict=True):
        module.training = training
    return saliency(wrapped, images, rule=rule)


CALLS: dict[str, Call] = {
    **{f"saliency {r.value}": lambda net, x, r=r: saliency_of(net, x, r) for r in Rectification},
    **{
        f"{layer} {i}": lambda net, x, rules=rules, layer=layer: project_by_autograd(
            net, x, [Unit(layer, 1)], rules=rules
        )
        for layer in ("3", "6")
        for i, rules in enumerate(RULES)
    },
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_after_a_pass(call: Call) -> None:
    net, images = network(), noise(1, 1, 3, 8, 8).requires_grad_()
    before, pixels = snapshot(net), images.detach().clone()
    found = call(net, images)
    assert snapshot(net) == before
    assert torch.equal(images, pixels)
    assert images.grad is None
    assert not found.pixels.requires_grad
    assert found.pixels.grad_fn is None
    assert not _get_current_function_mode_stack()


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (RuntimeError("broke"), DeconvvizError),
        (ValueError("broke"), ValueError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=["RuntimeError", "ValueError", "KeyboardInterrupt"],
)
@pytest.mark.parametrize("name", ["saliency guided", "saliency gradient", "6 0"])
def test_after_an_exception_in_the_middle_of_a_pass(
    name: str, error: BaseException, raised: type[BaseException]
) -> None:
    net = network(Failing(error))
    before = snapshot(net)
    with pytest.raises(raised):
        CALLS[name](net, noise(1, 1, 3, 8, 8))
    assert snapshot(net) == before
    assert not _get_current_function_mode_stack()


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("name", ["saliency guided", "saliency gradient", *[f"6 {i}" for i in range(12)]])
def test_where_gradients_are_off(name: str, context: Callable[[], AbstractContextManager[None]]) -> None:
    torch.manual_seed(0)  # of a network whose unit is on
    net, images = network(), noise(1, 1, 3, 8, 8)
    wanted = CALLS[name](net, images).pixels
    assert wanted.any()
    with context():
        found = CALLS[name](net, images.clone())
    assert torch.equal(found.pixels, wanted)
    if name.startswith("6"):
        assert found.windows.tolist() == CALLS[name](net, images).windows.tolist()


def test_networks_that_write_on_what_they_are_given() -> None:
    class Writing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3).double()

        def forward(self, images: Tensor) -> Tensor:
            return F.relu_(self.conv(images.sub_(0.5).relu_()))

    net, images = Writing(), noise(1, 1, 3, 8, 8)
    kept = images.clone()
    found = project_by_autograd(net, images, [Unit("conv", 1, 2, 2)], rules=Rules(Rectification.GRADIENT))
    assert torch.equal(images, kept)
    assert found.windows.tolist() == [[2, 2, 3, 3]]
    on = images[0, :, 2:5, 2:5] > 0.5
    wanted = found.activations[0] * net.conv.weight[1] * on
    torch.testing.assert_close(found.pixels[0, :, 2:5, 2:5], wanted.detach())


def test_the_users_own_hooks_fire_and_see_what_they_always_see() -> None:
    net, images = network().eval(), noise(1, 1, 3, 8, 8)
    seen: list[Tensor] = []
    for path in ("1", "3", "5"):
        net.get_submodule(path).register_forward_hook(lambda m, args, output: seen.append(output.clone()))
    with torch.no_grad():
        net(images)
    wanted, seen[:] = list(seen), []
    saliency_of(net, images)
    assert len(seen) == len(wanted)
    for found, real in zip(seen, wanted, strict=True):
        assert torch.equal(found, real)
