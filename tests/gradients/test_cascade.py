"""Which layers are randomised together, and what those get that do not say how they are drawn."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from deconvviz import load_model, record
from deconvviz.errors import ModelError
from deconvviz.gradients.cascade import cascade, copied, stages


def layers(net, layer, names=None):
    trace = record(net, torch.randn(1, 3, 32, 32), [layer])
    return stages(net, trace.down_from(layer), names or {})


def test_deep_networks_are_taken_block_by_block():
    net = load_model("resnet18", "random").module
    found = layers(net, "fc")
    blocks = [f"layer{i}.{k}" for i in (4, 3, 2, 1) for k in (1, 0)]
    assert [name for name, _ in found] == ["fc", *blocks, "conv1"]
    weighted = {path.rpartition(".")[0] for path, _ in net.named_parameters()}
    assert sorted(path for _, paths in found for path in paths) == sorted(weighted)
    assert found[-1] == ("conv1", ("conv1", "bn1"))
    shallow = layers(net, "layer1.0")
    assert [name for name, _ in shallow] == ["layer1.0.conv2", "layer1.0.conv1", "conv1"]


def test_long_chains_are_taken_in_runs():
    net = nn.Sequential(nn.Conv2d(3, 2, 1), *(nn.Conv2d(2, 2, 1) for _ in range(42)))
    found = layers(net, "42")
    assert [len(paths) for _, paths in found] == [3] * 14 + [1]
    assert [name for name, _ in found][::14] == ["42 to 40", "0"]


def test_layers_go_by_the_name_of_their_rectifier():
    net = nn.Sequential(
        nn.Conv2d(3, 2, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1), nn.ReLU()
    )
    names = {"1": "conv1", "2": "pool1", "5": "conv3"}
    assert layers(net, "5", names) == [("conv3", ("4",)), ("3", ("3",)), ("conv1", ("0",))]
    assert layers(net, "2", names) == [("conv1", ("0",))]
    assert layers(net, "4", names)[0] == ("4", ("4",))


class Scaled(nn.Module):
    """Scales the maps of a convolution by weights of its own, and normalises before it."""

    def __init__(self):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(3, affine=False), nn.Conv2d(3, 3, 1)
        self.scale = nn.Parameter(torch.linspace(1, 2, 12).reshape(3, 4, 1)[:, :1])

    def forward(self, images):
        return self.conv(self.norm(images)) * self.scale


def test_weights_that_belong_to_no_layer_of_their_own():
    net = nn.Sequential(Scaled(), nn.ReLU())
    assert layers(net, "1") == [("0.conv", ("0.conv", "0")), ("0.norm", ("0.norm",))]


class Custom(nn.Module):
    """A layer that does not say how it is drawn."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(5 + 0.1 * torch.randn(400, 30))
        self.register_buffer("table", torch.ones(3))

    def forward(self, x):
        return x


def test_layers_without_an_initialisation_keep_mean_and_spread():
    net = nn.Sequential(Custom())
    random = copied(net, ["0"])
    for _ in cascade(random, [["0"]], seed=0):
        pass
    old, new = net[0].weight.detach(), random[0].weight.detach()
    assert not torch.equal(old, new)
    assert float(new.mean()) == pytest.approx(float(old.mean()), abs=0.01)
    assert float(new.std()) == pytest.approx(float(old.std()), rel=0.05)
    assert random[0].table is net[0].table


def test_only_what_is_randomised_is_copied():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1))
    random = copied(net, ["0"])
    assert random[0].weight is not net[0].weight
    assert random[1].weight is net[1].weight
    assert random[1] is not net[1]


def test_networks_that_cannot_be_copied():
    net = nn.Sequential(nn.Conv2d(3, 4, 1))
    net.kept = net[0].weight * 2  # torch copies no results of computations
    with pytest.raises(ModelError, match="cannot be copied: RuntimeError"):
        copied(net, ["0"])
