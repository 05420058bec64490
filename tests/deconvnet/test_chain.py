"""Which networks have a mirror: they work right, or are refused by the name of the layer."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from deconvviz import Rules, Unit, mirror, project, record
from deconvviz.deconvnet import Rectification
from deconvviz.errors import ChainError, DeconvvizError

from ..oracle import autograd_twin, relative_error
from ..strategies import noise, randomised

RULES = pytest.mark.parametrize("rule", list(Rectification), ids=lambda rule: rule.value)
Function = Callable[[Tensor], Tensor]


class Net(nn.Module):
    """Two convolutions with something between them, and perhaps scores after them."""

    def __init__(self, between: Function, flatten: Function | None = None) -> None:
        super().__init__()
        self.conv1, self.relu, self.conv2 = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3)
        self.between, self.flatten = between, flatten
        self.score = nn.Linear(64, 2) if flatten else None
        randomised(self, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.conv2(self.between(self.conv1(images)))
        return self.score(self.flatten(maps)) if self.score and self.flatten else maps


class Block(nn.Module):
    """A container whose output is made by a function of its convolution's output."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.function = nn.Conv2d(3, 3, 3, padding=1), function

    def forward(self, images: Tensor) -> Tensor:
        return self.function(images, self.conv(images))


def refused(net: nn.Module, layer: str, images: Tensor | None = None) -> str:
    """The one-line message with which the network is refused."""
    images = noise(1, 1, 3, 8, 8) if images is None else images
    with pytest.raises(ChainError) as caught:
        project(net.double(), images, [Unit(layer, 0)])
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "between",
    [
        F.relu,
        torch.relu,
        torch.relu_,
        lambda x: F.relu(x, inplace=True),
        lambda x: x + 1,
        lambda x: x * x,
        F.gelu,
    ],
    ids=["F.relu", "torch.relu", "relu_", "F.relu inplace", "plus", "times", "gelu"],
)
def test_functions_between_modules_are_refused_by_the_layer_after_them(between: Function) -> None:
    assert re.search("(input of|before) 'conv2'", refused(Net(between), "conv2"))
    unbroken = project(Net(between), noise(1, 1, 3, 8, 8), [Unit("conv1", 0)])
    assert unbroken.pixels.any()


def test_a_residual_addition_is_refused() -> None:
    net = nn.Sequential(Block(lambda x, y: x + y), nn.ReLU())
    assert "'1'" in refused(net, "1")
    parallel = nn.Sequential(Block(lambda x, y: F.max_pool2d(x, 3, 1, 1)), nn.ReLU())
    assert "'1'" in refused(parallel, "1")


@pytest.mark.parametrize(
    "function",
    [lambda x, y: x + y, lambda x, y: F.relu(y), lambda x, y: F.relu_(y), lambda x, y: F.max_pool2d(y, 2)],
    ids=["residual", "F.relu", "F.relu_", "F.max_pool2d"],
)
def test_a_function_at_the_end_of_the_wanted_container_is_refused(
    function: Callable[[Tensor, Tensor], Tensor],
) -> None:
    assert "'0'" in refused(nn.Sequential(Block(function)), "0")


def test_unknown_modules_are_refused_with_the_known_ones() -> None:
    message = refused(nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU()), "1")
    assert message.startswith("'1' is a GELU, which has no known transpose (known: ")
    assert "Conv2d" in message
    assert "register" in message


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"padding": "same"}, "same"),
        ({"padding": 1, "padding_mode": "reflect"}, "reflect"),
        ({"padding": 1, "padding_mode": "circular"}, "circular"),
    ],
    ids=["same", "reflect", "circular"],
)
def test_other_paddings_are_refused(settings: dict[str, object], word: str) -> None:
    message = refused(nn.Sequential(nn.Conv2d(3, 4, 3, **settings)), "0")
    assert message.startswith("'0'")
    assert f"'{word}'" in message


def test_batch_statistics_and_partial_flattening_are_refused() -> None:
    assert "'0'" in refused(nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)), "0")
    assert "'1'" in refused(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(2), nn.Flatten()), "2")
    assert "'0'" in refused(nn.Sequential(nn.Linear(8, 5)), "0")


def test_layers_without_maps_or_vectors_are_refused() -> None:
    with pytest.raises(DeconvvizError, match="'1'") as caught:
        project(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(2)), torch.zeros(1, 3, 8, 8), [Unit("1", 0)])
    assert "\n" not in str(caught.value)


@RULES
def test_one_rectifier_called_several_times(rule: Rectification) -> None:
    relu = nn.ReLU(inplace=True)
    chain = [nn.Conv2d(3, 4, 3), relu, nn.Conv2d(4, 4, 3), relu, nn.Conv2d(4, 4, 1)]
    net, images = randomised(nn.Sequential(*chain), 3), noise(1, 2, 3, 9, 9)
    trace = record(net, images, ["4"])
    assert [step.name for step in trace] == ["0", "1", "2", "1:2", "4"]
    signal = noise(2, *trace.features("4").shape)
    plain = [nn.ReLU() if isinstance(m, nn.ReLU) else m for m in chain]
    wanted = autograd_twin(plain, images, signal, rule)
    assert relative_error(mirror(trace, "4", Rules(rule))(signal), wanted).max() < 1e-10


@RULES
@pytest.mark.parametrize(
    "flatten",
    [
        lambda x: torch.flatten(x, 1),
        lambda x: x.reshape(len(x), -1),
        lambda x: x.view(x.size(0), -1),
        lambda x: x.contiguous().view(x.size(0), -1),
        nn.Flatten(),
    ],
    ids=["torch.flatten", "reshape", "view", "contiguous view", "nn.Flatten"],
)
def test_every_way_to_flatten(flatten: Function, rule: Rectification) -> None:
    net = Net(nn.ReLU(), flatten)
    images = noise(1, 2, 3, 8, 8)
    chain = [net.conv1, nn.ReLU(), net.conv2, nn.Flatten(), net.score]
    units = [Unit("score", 1, image=0), Unit("score", 0, image=1)]
    signal = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    found = project(net, images, units, rules=Rules(rule), seed="one").pixels
    assert relative_error(found, autograd_twin(chain, images, signal, rule)).max() < 1e-10


def test_channels_last_networks_and_images() -> None:
    net, images = Net(nn.ReLU()), noise(1, 2, 3, 8, 8)
    units = [Unit("conv2", 1, 0, 0), Unit("conv2", 2, 1, 3, image=1)]
    wanted = project(net, images, units).pixels
    net.to(memory_format=torch.channels_last)
    found = project(net, images.to(memory_format=torch.channels_last), units).pixels
    assert relative_error(found, wanted).max() < 1e-10


def test_under_inference_mode() -> None:
    net, images, units = Net(nn.ReLU()), noise(1, 1, 3, 8, 8), [Unit("conv2", 1)]
    with torch.inference_mode():
        found = project(net, images.clone(), units).pixels
    assert torch.equal(found, project(net, images, units).pixels)


def test_a_pool_that_returns_its_indices_still_does() -> None:
    class Segmenting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.pool = nn.Conv2d(3, 4, 3), nn.MaxPool2d(2, return_indices=True)
            self.top = nn.Conv2d(4, 2, 1)

        def forward(self, images: Tensor) -> Tensor:
            pooled, indices = self.pool(self.conv(images))
            assert indices.dtype is torch.int64
            return self.top(pooled)

    net = Segmenting().double()
    assert project(net, noise(1, 2, 3, 8, 8), [Unit("conv", 0)]).pixels.any()
    assert "pool" in refused(net, "top", noise(1, 2, 3, 8, 8))


class _PoolsByKeyword(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool, self.last = nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 2, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.pool(input=self.conv(images)))


def test_a_pool_called_by_keyword_is_refused_by_name_and_pools_all_the_same() -> None:
    net = _PoolsByKeyword()
    images = torch.randn(1, 3, 9, 9)
    assert torch.equal(record(net, images, ["last"]).maps["last"], net(images))
    with pytest.raises(ChainError, match="'pool' does not take one tensor"):
        project(net, images, [Unit("last", 0)])
