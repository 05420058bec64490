"""The features of some layers in one pass: connected to the images, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deconvviz.errors import LayerError
from deconvviz.models.features import SeenEnough, features_of, frozen

from ..strategies import noise


class Net(nn.Module):
    """Two convolutions, a rectifier that is called twice and works in place, and scores."""

    def __init__(self, between: Callable[[Tensor], Any] = lambda x: x) -> None:
        super().__init__()
        self.conv1, self.relu, self.conv2 = nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3)
        self.between, self.scores, self.unused = between, nn.Linear(2, 5), nn.Linear(2, 2)
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        maps = self.relu(self.conv2(self.between(self.relu(self.conv1(images)))))
        out: Tensor = self.scores(maps.mean((2, 3)))
        return out


def hooks(net: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules())


def paths(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def test_features_are_what_the_layers_give() -> None:
    net, images = Net(), noise(0, 2, 3, 8, 8)
    found = features_of(net, images, {"top": "scores", "first": "conv1", "all": "", "on": "relu"})
    assert list(found) == ["top", "first", "all", "on"]
    with torch.no_grad():
        first = net.conv1(images)
        assert torch.equal(found["first"], first)  # not what the rectifier in place made of it
        assert torch.equal(found["on"], first.relu())  # of its first call
        assert torch.equal(found["top"], net(images))
        assert torch.equal(found["all"], net(images))
    assert hooks(net) == 0


def test_gradients_reach_the_images() -> None:
    net, images = Net(), noise(0, 1, 3, 8, 8).requires_grad_()
    with frozen(net):
        found = features_of(net, images, paths("conv1", "scores"))
    (early,) = torch.autograd.grad(found["conv1"].sum(), images, retain_graph=True)
    (late,) = torch.autograd.grad(found["scores"][0, 3], images)
    with torch.enable_grad():
        (wanted,) = torch.autograd.grad(net(images)[0, 3], images)
    assert torch.equal(late, wanted)
    assert early.any()
    assert all(p.grad is None for p in net.parameters())


def test_the_pass_ends_after_the_last_wanted_layer() -> None:
    def unreachable(_: Tensor) -> Tensor:
        raise AssertionError

    order: list[str] = []
    features_of(Net(unreachable), noise(0, 1, 3, 8, 8), paths("relu", "conv1"), order.append)
    assert order == ["conv1", "relu"]


def test_no_forward_method_catches_the_end() -> None:
    class Guarded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.caught = nn.Conv2d(3, 4, 3).double(), False

        def forward(self, images: Tensor) -> Tensor:
            try:
                return self.conv(images)  # type: ignore[no-any-return]
            except Exception:
                self.caught = True
                raise

    net = Guarded()
    assert features_of(net, noise(0, 1, 3, 8, 8), paths("conv"))["conv"].shape == (1, 4, 6, 6)
    assert not net.caught
    assert not issubclass(SeenEnough, Exception)


@pytest.mark.parametrize(
    ("between", "layer", "says"),
    [
        (lambda x: x, "unused", "the forward pass never reaches 'unused'"),
        (nn.Flatten(2), "between", "'between' gives (1, 4, 36)"),
        (nn.Identity(), "between.x", ""),
        (nn.AdaptiveMaxPool2d(3, return_indices=True), "between", "'between' gives tuple"),
    ],
    ids=["unused", "sequence", "no such path", "tuple"],
)
def test_layers_without_features_are_refused(between: Callable[[Tensor], Any], layer: str, says: str) -> None:
    net = Net(between)
    with pytest.raises(LayerError if says else AttributeError) as caught:
        features_of(net, noise(0, 1, 3, 8, 8), paths("conv1", layer))
    assert str(caught.value).startswith(says)
    assert hooks(net) == 0


@pytest.mark.parametrize("error", [ValueError("broke"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_nothing_is_left_after_an_exception(error: BaseException) -> None:
    def broken(_: Tensor) -> Tensor:
        raise error

    net = Net(broken)
    with pytest.raises(type(error)), frozen(net):
        features_of(net, noise(0, 1, 3, 8, 8), paths("conv1", "scores"))
    assert hooks(net) == 0
    assert all(m.training for m in net.modules())
    assert all(p.requires_grad for p in net.parameters())


def test_frozen_restores_what_was_mixed() -> None:
    net = Net()
    net.conv1.eval()
    net.scores.bias.requires_grad_(False)
    modes = [m.training for m in net.modules()]
    free = [p.requires_grad for p in net.parameters()]
    with frozen(net):
        assert not any(m.training for m in net.modules())
        assert not any(p.requires_grad for p in net.parameters())
    assert [m.training for m in net.modules()] == modes
    assert [p.requires_grad for p in net.parameters()] == free
