"""Where layers stand, and what the published methods make of it: AlexNet's tables, in any network."""

from __future__ import annotations

import pytest
import torch

from deconvviz import load_model
from deconvviz.errors import LayerError, ModelError, WeightsError
from deconvviz.models.paper_names import paper_names
from deconvviz.preimage import mahendran2015, mahendran2016
from deconvviz.preimage.targets import relative_errors, targets_of

from ..gradients.support import architecture, as_network
from .support import Branching, network, photos

ALEXNET = {
    # layer: λV of 2015, C of 2016, stride in pixels, places of the jitter along an axis
    "conv1": (1, 300, 4, 1),
    "pool1": (1, 300, 8, 2),
    "conv2": (1, 300, 8, 2),
    "pool2": (10, 300, 16, 4),
    "conv3": (10, 300, 16, 4),
    "conv4": (10, 100, 16, 4),
    "conv5": (100, 20, 16, 4),
    "pool5": (100, 1, 32, 8),
    "fc6": (100, 1, 32, 8),
    "fc7": (100, 1, 32, 8),
    "fc8": (100, 1, 32, 8),
}


def test_alexnets_layers_are_weighed_as_published() -> None:
    module = architecture("alexnet")
    net = as_network(module, paper_names=paper_names(module, blocks=False))
    found = targets_of(net, photos(1, 224), [*ALEXNET][::-1])
    assert found.layers == tuple(ALEXNET)
    assert found.chain
    table = {
        layer: (
            mahendran2015.variation_weight(place.depth),
            mahendran2016.feature_weight(place.depth),
            place.stride,
            mahendran2016.jitter(place.stride),
        )
        for layer, place in found.places.items()
    }
    assert table == ALEXNET


@pytest.mark.parametrize(("stride", "room"), [(1, 1), (2, 1), (4, 1), (8, 2), (16, 4), (32, 8)])
def test_jitter_is_a_quarter_of_the_stride(stride: int, room: int) -> None:
    assert mahendran2016.jitter(stride) == room


def test_features_are_those_of_the_network_in_the_order_of_the_pass() -> None:
    net, images = network(), photos(2)
    found = targets_of(net, images, ["6", "conv1", "4"])
    assert found.layers == ("conv1", "4", "6")
    with torch.no_grad():
        for layer, end in (("conv1", 2), ("4", 5), ("6", 7)):
            torch.testing.assert_close(found.features[layer], net.module[:end](images))
    assert [(p.depth, p.stride) for p in found.places.values()] == [(0.5, 4), (1, 16), (1, 16)]


def test_where_a_network_branches() -> None:
    found = targets_of(network(Branching()), photos(1), ["first", "second", "scores"])
    assert not found.chain
    assert targets_of(network(Branching()), photos(1), ["first"]).chain
    assert [place.depth for place in found.places.values()] == [0.5, 1.0, 1.0]
    assert [place.stride for place in found.places.values()] == [4, 4, 4]


def test_a_layer_that_sees_nothing_is_named() -> None:
    net, images = network(), photos(2)
    net.module[0].bias.data.fill_(0)
    images[1] = 0
    with pytest.raises(LayerError, match=r"^conv1 is zero all over for image 2: there is nothing to invert$"):
        targets_of(net, images, ["conv1"])


def test_what_cannot_be_had() -> None:
    with pytest.raises(LayerError, match="no layer 'conv7'; did you mean 'conv"):
        targets_of(network(), photos(), ["conv7"])
    with pytest.raises(ModelError, match=r"images of .* do not pass"):
        targets_of(network(), photos(1, 96), ["conv2", "6"])


def test_weights_of_some_layers_serve_those(tmp_path: object) -> None:
    path = f"{tmp_path}/part.pth"
    state = architecture("alexnet").state_dict()
    torch.save({name: value for name, value in state.items() if name.startswith("features.0.")}, path)
    net = load_model("alexnet", path, lean=True)
    assert targets_of(net, photos(1, 224), ["conv1"]).places["conv1"].depth == 0.2
    with pytest.raises(WeightsError, match="no values for 'conv3'; they serve conv1 to pool1"):
        targets_of(net, photos(1, 224), ["conv1", "conv3"])


def test_relative_errors_are_squares_over_squares() -> None:
    wanted = torch.tensor([[3.0, 4.0], [1.0, 0.0]])[:, :, None]
    found = torch.tensor([[3.0, 1.0], [1.0, 2.0]])[:, :, None]
    assert relative_errors(found, wanted).tolist() == pytest.approx([9 / 25, 4])
