"""The first and last layers of networks with and without paper names."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from deconvviz.errors import LayerError, WeightsError
from deconvviz.models import Network, WeightsOrigin, load_model
from deconvviz.models.catalogue import CATALOGUE
from deconvviz.models.ends import first_layer, last_features, last_maps
from tests.cli import mynets


class Preset:
    mean = std = (0.5, 0.5, 0.5)
    crop_size = (32,)


def network(module: nn.Module, **more) -> Network:
    return Network("net", module.eval(), Preset(), WeightsOrigin("as built"), **more)


def ends(net: Network) -> tuple[str, str, str]:
    return first_layer(net), last_maps(net), last_features(net)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mini", ("conv1", "conv5", "fc7")),
        ("cifar", ("conv1_1", "conv4_1", "pool4")),
        ("resnet18", ("relu", "layer4", "avgpool")),
        ("squeezenet1_1", ("features.1", "classifier.2", "features")),
        ("mobilenet_v2", ("features.0.2", "features", "features")),
    ],
)
def test_networks_of_the_catalogue(name, expected):
    assert name in CATALOGUE
    assert ends(load_model(name, "random", input_size=64)) == expected


def test_own_networks_go_by_their_modules():
    tiny = mynets.tiny()
    assert ends(network(tiny)) == ("1", "5", "9")  # not the pool behind map 5
    assert ends(network(tiny, paper_names=mynets.NAMES)) == ("conv1", "conv2", "fc3")
    assert ends(network(mynets.Residual())) == ("stem", "conv", "conv")


def test_what_cannot_be_made_out_is_said():
    flat = network(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2)))
    for ask in (first_layer, last_maps, last_features):
        with pytest.raises(LayerError, match="net; name layers with --layer"):
            ask(flat)


def test_a_partial_file_ends_where_its_values_end():
    tiny = mynets.tiny()
    tiny[8].weight = nn.Parameter(torch.empty_like(tiny[8].weight, device="meta"))
    partial = network(tiny, paper_names=mynets.NAMES)
    assert ends(partial) == ("conv1", "conv2", "pool2")
    tiny[0].weight = nn.Parameter(torch.empty_like(tiny[0].weight, device="meta"))
    with pytest.raises(WeightsError, match="have no values for 'conv1'"):
        last_maps(partial)
    with pytest.raises(LayerError, match="name layers"):
        last_maps(network(tiny))


def test_the_network_is_left_as_it_was():
    net = network(mynets.tiny())
    net.module.train()
    before = {name: value.clone() for name, value in net.module.state_dict().items()}
    ends(net)
    assert net.module.training
    assert not any(m._forward_hooks for m in net.module.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.module.state_dict().items())
