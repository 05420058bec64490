"""The frozen half: features are those of a recorded pass, and the network stays as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from deconvviz.decoders.encoding import Encoder, shown_as
from deconvviz.deconvnet import record
from deconvviz.errors import LayerError, ModelError, WeightsError
from deconvviz.models import load_model

from ..cli import mynets
from .support import TINY, noise, pixels, tiny

SHAPES = {
    "0": (12, 32, 32),
    "conv1": (12, 32, 32),
    "norm1": (12, 15, 15),
    "4": (6, 13, 13),
    "pool2": (6, 6, 6),
}
SHAPES |= {"8": (20,), "fc4": (10,)}
"""Module 0, 4 and 8 are followed by rectifiers that work in place."""


def hooks(module):
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


def state(module):
    """All that an encoder could leave behind."""
    return (
        hooks(module),
        [p.requires_grad for p in module.parameters()],
        [p.grad for p in module.parameters()],
        [part.training for part in module.modules()],
        [getattr(part, "inplace", None) for part in module.modules()],
        {name: tensor.clone() for name, tensor in module.state_dict().items()},
    )


def unchanged(before, module):
    now = state(module)
    assert now[:5] == before[:5]
    assert all(torch.equal(now[5][name], tensor) for name, tensor in before[5].items())
    return True


def test_features_are_those_of_a_recorded_pass():
    network, images = tiny(), noise(3, 3, 32, 32)
    encoder = Encoder(network, list(SHAPES))
    assert encoder.shapes == SHAPES
    assert encoder.layers == tuple(SHAPES)
    found, wanted = encoder(images), record(network, images, list(SHAPES)).maps
    assert list(found) == list(SHAPES)
    for layer, values in found.items():
        torch.testing.assert_close(values, wanted[layer], rtol=0, atol=0)
        assert values.shape == (3, *SHAPES[layer])
    assert float(found["0"].min()) < 0 == float(found["conv1"].min())


def test_the_order_of_the_layers_is_the_callers():
    found = Encoder(tiny(), ["fc4", "conv1"])(noise(1, 3, 32, 32))
    assert list(found) == ["fc4", "conv1"]


def test_the_pass_ends_after_the_last_wanted_layer():
    network = tiny()
    encoder = Encoder(network, ["4", "conv1"])
    network.module[5].register_forward_hook(lambda *_: pytest.fail("went on"))
    encoder(noise(1, 3, 32, 32))
    assert encoder.depth("conv1") == 2
    assert encoder.depth("4") == 5


def test_nothing_is_left_on_the_network():
    network = tiny()
    network.module[4].weight.requires_grad_(False)
    before = state(network.module)
    encoder = Encoder(network, ["4", "fc3"])
    assert unchanged(before, network.module)
    encoder(noise(2, 3, 32, 32))
    encoder.features(noise(2, 3, 32, 32).requires_grad_())
    assert unchanged(before, network.module)


def test_nothing_is_left_after_an_accident():
    network = tiny()
    encoder, before = Encoder(network, ["fc3"]), state(network.module)
    with pytest.raises(RuntimeError):
        encoder(noise(1, 3, 20, 20))
    assert unchanged(before, network.module)
    small = shown_as(network, 20, network.mean, network.std)
    with pytest.raises(ModelError, match=r"^tests.cli.mynets:tiny does not take 20x20 images: "):
        Encoder(small, ["fc3"])
    assert unchanged(before, network.module)


def test_gradients_reach_the_images_and_not_the_weights():
    network = tiny()
    encoder = Encoder(network, ["0", "conv2"])
    images = noise(2, 3, 32, 32).requires_grad_()
    found = encoder.features(images)
    (found["0"].square().sum() + found["conv2"].sum()).backward()
    mine = images.grad
    assert all(p.grad is None for p in network.module.parameters())
    again = images.detach().clone().requires_grad_()
    first = network.module[0](again)
    (first.square().sum() + network.module[1:6](first.clone()).sum()).backward()
    torch.testing.assert_close(mine, again.grad, rtol=0, atol=0)
    assert not encoder(images)["conv2"].requires_grad
    assert not encoder.features(images.detach())["conv2"].requires_grad


@pytest.mark.parametrize(("path", "changes"), [("0", True), ("4", True), ("8", False)])
def test_the_digest_is_that_of_the_weights_up_to_the_layer(path, changes):
    network = tiny()
    encoder = Encoder(network, ["conv2"])
    before = encoder.digest("conv2")
    assert before == Encoder(tiny(), ["fc4", "conv2"]).digest("conv2")
    bias = network.module.get_submodule(path).bias
    with torch.no_grad():
        bias[0] += 1e-3
    assert (encoder.digest("conv2") != before) is changes
    assert encoder.digest("conv2") == Encoder(network, ["conv2"]).digest("conv2")


def test_a_norms_statistics_belong_to_the_digest():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    encoder = Encoder(replace(tiny(), module=module, paper_names={}), ["2"])
    before = encoder.digest("2")
    module[1].num_batches_tracked += 1
    assert encoder.digest("2") == before
    module[1].running_mean += 1
    assert encoder.digest("2") != before


def test_see_is_what_the_network_sees():
    network = tiny()
    encoder, given = Encoder(network, []), pixels(2)
    wanted = torch.cat([network.see(picture(one)) for one in given])
    torch.testing.assert_close(encoder.see(given), wanted, rtol=1e-5, atol=1e-5)
    assert encoder.see(pixels(1, side=16)).shape == (1, 3, 32, 32)


def picture(one):
    from PIL import Image

    return Image.fromarray(one.numpy())


def test_mistakes():
    with pytest.raises(LayerError, match=r"^no layer 'conv3'; did you mean 'conv2'"):
        Encoder(tiny(), ["conv3"])
    with pytest.raises(LayerError, match=r"^'1' gives "):
        Encoder(replace(tiny(), module=nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(2))), ["1"])


def test_a_layer_that_is_never_called():
    network = load_model(TINY.replace("tiny", "Functional"), "random")
    network.module.never = nn.ReLU()
    with pytest.raises(LayerError, match=r"^the forward pass never reaches 'never'$"):
        Encoder(network, ["first", "never"])
    assert hooks(network.module) == 0


def test_a_module_that_is_called_twice_means_its_first_call():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.act, self.last = nn.ReLU(), nn.Conv2d(3, 2, 1)

        def forward(self, images):
            return self.last(self.act(self.act(images) - 1))

    images = noise(1, 3, 32, 32)
    found = Encoder(replace(tiny(), module=Twice(), paper_names={}), ["act", "last"])(images)
    torch.testing.assert_close(found["act"], images.relu(), rtol=0, atol=0)


def test_weights_that_are_not_there_are_refused_by_name():
    network = tiny()
    network.module[8].to("meta")
    with pytest.raises(WeightsError, match=r"have no values for 'fc3'; they serve conv1 to pool2$"):
        Encoder(network, ["conv1", "fc3"])
    encoder = Encoder(network, ["pool2"])
    assert encoder.device == torch.device("cpu")
    wanted = Encoder(tiny(), ["pool2"])
    assert encoder.digest("pool2") == wanted.digest("pool2")


def test_shown_as_is_the_same_network_with_other_images():
    network = tiny()
    assert shown_as(network, 32, list(network.mean), list(network.std)) is network
    other = shown_as(network, 48, (0.1, 0.2, 0.3), (1.0, 0.5, 0.25))
    assert (other.input_size, other.mean, other.std) == (48, (0.1, 0.2, 0.3), (1.0, 0.5, 0.25))
    assert other.module is network.module
    assert network.input_size == mynets.tiny().input_size
    given = pixels(1, side=48)
    channels = given.permute(0, 3, 1, 2) / 255
    wanted = (channels - torch.tensor(other.mean)[:, None, None]) / torch.tensor(other.std)[:, None, None]
    torch.testing.assert_close(Encoder(other, []).see(given), wanted)
    torch.testing.assert_close(other.see(picture(given[0])), wanted, rtol=1e-5, atol=1e-5)  # none is cut off


def test_a_photograph_is_cropped_as_the_network_would():
    network = load_model("alexnet", "random")
    assert network.preset.resize_size == [256]
    other = shown_as(network, 227, (0.5,) * 3, (0.5,) * 3)
    assert other.preset.resize_size == [259]
    assert shown_as(other, 224, network.mean, network.std).preset.resize_size == [256]
