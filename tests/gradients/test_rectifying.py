"""Rectifiers are honoured however they are called; what is no rectifier is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from deconvviz.deconvnet import ContrastNormalisation, Rectification, Rules, Unpooling
from deconvviz.errors import ChainError
from deconvviz.gradients.descent import descend
from deconvviz.gradients.rectifying import ruled

from ..oracle import autograd_twin, relative_error
from ..strategies import noise, randomised

Function = Callable[[Tensor], Any]
RULES = pytest.mark.parametrize("rule", list(Rectification), ids=lambda rule: rule.value)


class Net(nn.Module):
    """Two convolutions with a function between them, whose result may be ignored."""

    def __init__(self, between: Function, ignored: bool = False) -> None:
        super().__init__()
        self.first, self.between, self.second = nn.Conv2d(3, 4, 3), between, nn.Conv2d(4, 3, 3)
        self.ignored = ignored
        randomised(self, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.first(images)
        changed = self.between(maps)
        out: Tensor = self.second(maps if self.ignored else changed)
        return out


IMAGES = noise(1, 2, 3, 8, 8)
SIGNAL = noise(2, 2, 3, 4, 4)


def pixels(net: nn.Module, rules: Rules) -> Tensor:
    return descend(net, IMAGES, [""], rules).pixels("", SIGNAL)


def by_modules(between: nn.Module, rule: Rectification, lrn_passes: bool = True) -> Tensor:
    """What an independent implementation finds for the same network as a chain of modules."""
    net = Net(between)
    return autograd_twin([net.first, between, net.second], IMAGES, SIGNAL, rule, lrn_passes)


def kept(function: Function) -> tuple[Function, bool]:
    return function, False


def ignored(function: Function) -> tuple[Function, bool]:
    return function, True


RECTIFIERS = {
    "nn.ReLU": kept(nn.ReLU()),
    "nn.ReLU inplace": kept(nn.ReLU(inplace=True)),
    "F.relu": kept(F.relu),
    "F.relu by keyword": kept(lambda x: F.relu(input=x)),
    "F.relu inplace": ignored(lambda x: F.relu(x, inplace=True)),
    "F.relu_": ignored(F.relu_),
    "torch.relu": kept(torch.relu),
    "torch.relu_": ignored(torch.relu_),
    "x.relu": kept(lambda x: x.relu()),
    "x.relu_": ignored(lambda x: x.relu_()),
    "x.relu_ kept": kept(lambda x: x.relu_()),
    "x.clamp": kept(lambda x: x.clamp(min=0)),
    "x.clamp by place": kept(lambda x: x.clamp(0.0)),
    "x.clamp_": ignored(lambda x: x.clamp_(min=0)),
    "torch.clamp": kept(lambda x: torch.clamp(x, min=0)),
    "x.clip": kept(lambda x: x.clip(0, None)),
    "x.clamp_min": kept(lambda x: x.clamp_min(0)),
    "x.clamp_min_": ignored(lambda x: x.clamp_min_(0)),
    "F.threshold": kept(lambda x: F.threshold(x, 0, 0)),
    "F.threshold inplace": ignored(lambda x: F.threshold(x, 0, 0, inplace=True)),
    "F.threshold_": ignored(lambda x: F.threshold_(x, 0.0, 0.0)),
    "torch.threshold": kept(lambda x: torch.threshold(x, 0, 0)),
    "nn.Threshold": kept(nn.Threshold(0, 0)),
}
CAPPED = {
    "nn.ReLU6": kept(nn.ReLU6()),
    "nn.ReLU6 inplace": kept(nn.ReLU6(inplace=True)),
    "F.relu6": kept(F.relu6),
    "F.relu6 inplace": ignored(lambda x: F.relu6(x, inplace=True)),
    "nn.Hardtanh": kept(nn.Hardtanh(0, 6)),
    "F.hardtanh inplace": ignored(lambda x: F.hardtanh(x, 0.0, 6.0, True)),
    "F.hardtanh_": ignored(lambda x: F.hardtanh_(x, 0.0, 6.0)),
    "x.clamp": kept(lambda x: x.clamp(0, 6)),
    "x.clamp_": ignored(lambda x: x.clamp_(min=0, max=6)),
}


@RULES
@pytest.mark.parametrize(("function", "drop"), RECTIFIERS.values(), ids=list(RECTIFIERS))
def test_every_way_to_rectify(function: Function, drop: bool, rule: Rectification) -> None:
    assert relative_error(pixels(Net(function, drop), Rules(rule)), by_modules(nn.ReLU(), rule)).max() < 1e-12


@RULES
@pytest.mark.parametrize(("function", "drop"), CAPPED.values(), ids=list(CAPPED))
def test_every_way_to_rectify_up_to_six(function: Function, drop: bool, rule: Rectification) -> None:
    with torch.no_grad():
        assert (Net(nn.Identity()).first(IMAGES) > 6).any()
    found = pixels(Net(function, drop), Rules(rule))
    assert relative_error(found, by_modules(nn.ReLU6(), rule)).max() < 1e-12


def test_the_rules_differ_where_rectifiers_are_functions() -> None:
    found = [pixels(Net(F.relu), Rules(rule)) for rule in Rectification]
    assert all(relative_error(a, b).min() > 0.1 for a in found for b in found if a is not b)


def test_googlenets_functions_are_guided() -> None:
    from torchvision.models.googlenet import BasicConv2d  # calls F.relu(x, inplace=True)

    block = randomised(BasicConv2d(3, 3, kernel_size=5), 0)
    guided, plain = (
        pixels(block, Rules(r, lrn=ContrastNormalisation.TRANSPOSE))
        for r in (Rectification.GUIDED, Rectification.GRADIENT)
    )
    wanted = autograd_twin([block.conv, block.bn, nn.ReLU()], IMAGES, SIGNAL, Rectification.GUIDED)
    assert relative_error(guided, wanted).max() < 1e-12
    assert relative_error(guided, plain).min() > 0.1


def test_an_activation_that_two_branches_read() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.left, self.right = (nn.Conv2d(n, 3, 3, padding=1) for n in (3, 3, 3))
            randomised(self, 3)

        def forward(self, images: Tensor) -> Tensor:
            maps = F.relu_(self.first(images))
            out: Tensor = self.left(maps) + self.right(maps)
            return out

    net, signal = Two(), noise(2, 2, 3, 8, 8)
    found = descend(net, IMAGES, [""], Rules(Rectification.DECONVNET)).pixels("", signal)
    below = sum(F.conv_transpose2d(signal, c.weight, padding=1) for c in (net.left, net.right))
    wanted = F.conv_transpose2d(below.clamp(min=0), net.first.weight, padding=1)  # the sum is rectified
    assert relative_error(found, wanted).max() < 1e-12


OTHERS = {
    "GELU": F.gelu,
    "SiLU": nn.SiLU(inplace=True),
    "leaky ReLU": nn.LeakyReLU(inplace=True),
    "leaky  ReLU": lambda x: F.leaky_relu_(x, 0.1),
    "ELU": nn.ELU(),
    "SELU": torch.selu,
    "CELU": nn.CELU(),
    "Mish": nn.Mish(),
    "hard swish": nn.Hardswish(),
    "softplus": nn.Softplus(),
    "softsign": nn.Softsign(),
    "PReLU": nn.PReLU(),
    "RReLU": nn.RReLU(),
    "tanh": lambda x: x.tanh_(),
    "a hard tanh that does not begin at zero": nn.Hardtanh(),
    "a threshold other than zero": nn.Threshold(0.1, 0),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_activations_have_the_gradient_rule_only(name: str) -> None:
    net = Net(OTHERS[name])
    images = IMAGES.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(net.eval()(images), images, SIGNAL)
    for lrn in ContrastNormalisation:
        assert relative_error(pixels(net, Rules(Rectification.GRADIENT, lrn=lrn)), wanted).max() < 1e-12
    for rule in (Rectification.GUIDED, Rectification.DECONVNET):
        with pytest.raises(ChainError) as caught:
            pixels(net, Rules(rule))
        called = " ".join(name.split())
        assert str(caught.value).startswith(
            f"the network calls {called}, which is no rectifier: the {rule.value}"
        )


@pytest.mark.parametrize(
    "function",
    [torch.sigmoid, lambda x: x.clamp(max=1), lambda x: x.clamp(-1, 1), lambda x: F.softmax(x, 1)],
    ids=["sigmoid", "upper bound", "bounds", "softmax"],
)
def test_gates_and_bounds_that_are_no_rectifiers_are_differentiated(function: Function) -> None:
    guided, plain = (pixels(Net(function), Rules(r)) for r in (Rectification.GUIDED, Rectification.GRADIENT))
    assert torch.equal(guided, plain)


@pytest.mark.parametrize("rule", [Rectification.GRADIENT, Rectification.GUIDED], ids=lambda r: r.value)
@pytest.mark.parametrize("lrn", list(ContrastNormalisation), ids=lambda lrn: lrn.value)
@pytest.mark.parametrize(
    "between", [nn.LocalResponseNorm(3, 2.0), lambda x: F.local_response_norm(input=x, size=3, alpha=2.0)]
)
def test_contrast_normalisation(between: Function, lrn: ContrastNormalisation, rule: Rectification) -> None:
    passes = lrn is ContrastNormalisation.IDENTITY
    wanted = by_modules(nn.LocalResponseNorm(3, 2.0), rule, passes)
    assert relative_error(pixels(Net(between), Rules(rule, lrn=lrn)), wanted).max() < 1e-12


@pytest.mark.parametrize(
    "pool",
    [nn.MaxPool2d(3, 1, 1), lambda x: F.max_pool2d(input=x, kernel_size=3, stride=1, padding=1)],
    ids=["module", "function"],
)
def test_centre_unpooling(pool: Function) -> None:
    rules = Rules(Rectification.GRADIENT, Unpooling.CENTRE)
    found = pixels(Net(pool), rules)  # the centres of these windows are their own places: nothing moves
    assert relative_error(found, by_modules(nn.Identity(), Rectification.GRADIENT)).max() < 1e-12


@pytest.mark.parametrize(
    "pool",
    [nn.AdaptiveMaxPool2d(6), lambda x: F.max_pool2d(x, 3, 1, 1, return_indices=True)[0]],
    ids=["adaptive", "with indices"],
)
def test_pools_without_a_centre_are_refused(pool: Function) -> None:
    assert pixels(Net(pool), Rules()).any()
    with pytest.raises(ChainError, match=r"max_pool2d.*, for which no centre of a window is known"):
        pixels(Net(pool), Rules(unpooling=Unpooling.CENTRE))


def test_outside_the_block_nothing_is_caught() -> None:
    x = torch.tensor([-1.0, 2.0], requires_grad=True)
    with pytest.raises(ChainError), ruled(nn.ReLU(), Rules()):
        F.gelu(x)
    (found,) = torch.autograd.grad(F.relu(x), x, torch.tensor([3.0, -4.0]))
    assert found.tolist() == [0.0, -4.0]
