"""The papers' layer names, read off the networks' structure."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from deconvviz.errors import LayerError
from deconvviz.models import CATALOGUE, layer_path, paper_names
from deconvviz.models.building import build


def built(name: str) -> nn.Module:
    with torch.device("meta"):
        return build(name).module


def test_alexnet_counts_convolutions() -> None:
    names = paper_names(built("alexnet"), blocks=False)
    assert names == {
        "conv1": "features.1",
        "pool1": "features.2",
        "conv2": "features.4",
        "pool2": "features.5",
        "conv3": "features.7",
        "conv4": "features.9",
        "conv5": "features.11",
        "pool5": "features.12",
        "fc6": "classifier.2",
        "fc7": "classifier.5",
        "fc8": "classifier.6",
    }
    assert list(names)[:3] == ["conv1", "pool1", "conv2"]


def test_vgg16_counts_blocks() -> None:
    names = paper_names(built("vgg16"), blocks=True)
    convs = [2, 2, 3, 3, 3]
    wanted = []
    for block, count in enumerate(convs, start=1):
        wanted += [f"conv{block}_{i}" for i in range(1, count + 1)] + [f"pool{block}"]
    assert list(names) == [*wanted, "fc6", "fc7", "fc8"]
    assert (names["conv1_1"], names["conv5_3"], names["pool5"]) == (
        "features.1",
        "features.29",
        "features.30",
    )
    assert (names["fc6"], names["fc8"]) == ("classifier.1", "classifier.6")


def test_zfnet_has_normalised_layers_too() -> None:
    names = paper_names(built("zfnet"), blocks=False)
    assert list(names)[:6] == ["conv1", "pool1", "norm1", "conv2", "pool2", "norm2"]
    assert list(names)[6:] == ["conv3", "conv4", "conv5", "pool5", "fc6", "fc7", "fc8"]
    assert names["norm2"] == "features.norm2"


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if entry.blocks is not None])
def test_names_are_of_rectified_outputs_and_of_plain_scores(name: str) -> None:
    module = built(name)
    names = paper_names(module, CATALOGUE[name].blocks)
    kinds = {layer: type(module.get_submodule(path)) for layer, path in names.items()}
    last = list(names)[-1]
    assert last == ("fc5" if name == "cifar" else "fc8")
    for layer, kind in kinds.items():
        if layer == last:
            assert kind is nn.Linear
        else:
            wanted = {"conv": nn.ReLU, "fc": nn.ReLU, "pool": nn.MaxPool2d, "norm": nn.LocalResponseNorm}
            assert kind is wanted[layer.rstrip("0123456789_")]
    pools = [path for path, m in module.named_modules() if isinstance(m, nn.MaxPool2d)]
    assert sorted(path for layer, path in names.items() if layer.startswith("pool")) == sorted(pools)


def test_layer_path_takes_names_and_dotted_paths() -> None:
    module = built("alexnet")
    names = paper_names(module, blocks=False)
    assert layer_path(module, "conv3", names) == "features.7"
    assert layer_path(module, "features.6", names) == "features.6"
    assert layer_path(module, "classifier", names) == "classifier"


def test_unknown_layers_offer_the_nearest() -> None:
    module = built("alexnet")
    names = paper_names(module, blocks=False)
    with pytest.raises(
        LayerError, match=r"^no layer 'conv6'; did you mean 'conv\d'\? there are: conv1, pool1"
    ):
        layer_path(module, "conv6", names)
    with pytest.raises(LayerError, match=r"no layer 'features\.77'; did you mean 'features\.7'\?"):
        layer_path(module, "features.77", names)
    with pytest.raises(LayerError, match=r"no layer 'x'; there are: 0, 1$"):
        layer_path(nn.Sequential(nn.ReLU(), nn.ReLU()), "x", {})
