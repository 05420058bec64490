"""Whole projections of AlexNet, VGG and ZFNet against captum, for three rules."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from deconvviz import load_model, project_trace, read_image, record
from deconvviz.deconvnet import Rectification, Rules, Trace, Unit, strongest
from deconvviz.models import Network, ZFNet, leaves, paper_names

from ..oracle import CAPTUM, captum_projections, relative_error

ALEXNET = ["conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5", "fc6", "fc7", "fc8"]
VGG = {
    "vgg11": ["conv1_1", "conv2_1", "conv3_2", "conv4_1", "conv5_2", "fc6", "fc7", "fc8"],
    "vgg16": ["conv1_2", "conv2_2", "conv3_3", "conv4_1", "conv5_3", "fc6", "fc7", "fc8"],
    "vgg16_bn": ["conv1_1", "conv2_2", "conv3_1", "conv4_3", "conv5_1", "fc6", "fc7", "fc8"],
}
RULES = pytest.mark.parametrize("rule", list(CAPTUM), ids=lambda rule: rule.value)


def double(network: Network) -> Network:
    """In float64, with biases and batch statistics that are not at their initial zero and one."""
    network.module.double()
    generator = torch.Generator().manual_seed(3)
    for name, value in (*network.module.named_parameters(), *network.module.named_buffers()):
        if name.endswith(("bias", "running_mean")):
            value.data.copy_(0.05 * torch.randn(value.shape, generator=generator))
        elif name.endswith("running_var"):
            value.data.copy_(0.5 + torch.rand(value.shape, generator=generator))
    return network


def five_units(trace: Trace, layer: str) -> list[Unit]:
    """The three strongest units and two more, one at the corner of its map."""
    features = trace.features(layer)
    units = strongest(trace, layer, 3)
    if features.ndim == 2:  # captum starts from one at inactive fc units too: they are tested on their own
        return strongest(trace, layer, 5)
    height, width = features.shape[2:]
    return [*units, Unit(layer, 1, 0, width - 1), Unit(layer, features.shape[1] - 1, height // 2, width // 3)]


def up_to(module: nn.Module, path: str) -> tuple[nn.Module, nn.Module]:
    """The network, cut after the layer where it is one of `features`; and the layer."""
    block, _, place = path.partition(".")
    if block != "features":
        return module, module.get_submodule(path)
    names = [name.removeprefix("features.") for name, _ in leaves(module) if name.startswith("features.")]
    cut = nn.Sequential(*list(module.features)[: names.index(place) + 1])
    return cut, cut[-1]


def check(network: Network, layer: str, images: Tensor, rule: Rectification) -> None:
    cut, module = up_to(network.module, network.path_of(layer))
    trace = record(network, images, [layer])
    units = five_units(trace, layer)
    found = project_trace(trace, units, rules=Rules(rule), seed="one")
    wanted = captum_projections(cut, module, images, units, rule)
    assert wanted.abs().amax() > 0
    assert relative_error(found.pixels, wanted).max() < 1e-10


@pytest.fixture(scope="module")
def alexnet() -> Network:
    return double(load_model("alexnet", "random"))


@pytest.fixture(scope="module", params=list(VGG))
def vgg(request: pytest.FixtureRequest) -> Network:
    return double(load_model(request.param, "random"))


@pytest.fixture(scope="module")
def zfnet_without_lrn() -> Network:
    whole = load_model("zfnet", "random")
    module = ZFNet(num_classes=7, lrn=False).eval()
    return double(Network("zfnet", module, whole.preset, whole.origin, paper_names(module, blocks=False)))


@RULES
@pytest.mark.parametrize("layer", ALEXNET)
def test_alexnet(alexnet: Network, photo_like: Tensor, layer: str, rule: Rectification) -> None:
    check(alexnet, layer, photo_like, rule)


@RULES
@pytest.mark.slow
def test_vgg(vgg: Network, photo_like: Tensor, rule: Rectification) -> None:
    small = photo_like[..., 60:124, 100:148]  # the adaptive pool takes any size
    for layer in VGG[vgg.name]:
        check(vgg, layer, small, rule)


@RULES
@pytest.mark.parametrize("layer", ["conv1", "pool1", "conv3", "conv5", "pool5", "fc6", "fc8"])
def test_zfnet(zfnet_without_lrn: Network, photo_like: Tensor, layer: str, rule: Rectification) -> None:
    check(zfnet_without_lrn, layer, photo_like, rule)


@RULES
def test_adaptive_pool_that_averages(alexnet: Network, photo_like: Tensor, rule: Rectification) -> None:
    larger = torch.nn.functional.interpolate(photo_like, (288, 260), mode="bilinear", align_corners=False)
    check(alexnet, "fc6", larger, rule)


@RULES
def test_the_activation_itself_is_the_seed(alexnet: Network, photo_like: Tensor, rule: Rectification) -> None:
    cut, module = up_to(alexnet.module, alexnet.path_of("conv4"))
    trace = record(alexnet, photo_like, ["conv4"])
    units = strongest(trace, "conv4", 3)
    found = project_trace(trace, units, rules=Rules(rule))
    wanted = captum_projections(cut, module, photo_like, units, rule) * found.activations.view(-1, 1, 1, 1)
    assert relative_error(found.pixels, wanted).max() < 1e-10


@RULES
def test_float32(photo_like: Tensor, rule: Rectification) -> None:
    network = load_model("alexnet", "random", seed=1)
    images, errors = photo_like.float(), []
    trace = record(network, images, ["conv1", "conv2", "conv3", "conv5"])
    for layer in trace.maps:
        units = strongest(trace, layer, 10)
        found = project_trace(trace, units, rules=Rules(rule), seed="one").pixels
        wanted = captum_projections(*up_to(network.module, network.path_of(layer)), images, units, rule)
        errors.append(relative_error(found, wanted))
    assert torch.cat(errors).quantile(0.95) < 1e-5


@pytest.mark.data
@RULES
@pytest.mark.parametrize("layer", ["2", "4", "7", "9", "11", "12"])
def test_trained_filters_and_a_photograph(reference_data: Path, layer: str, rule: Rectification) -> None:
    network = load_model("alexnet", reference_data / "weights" / "alexnet_features.pth")
    images = read_image(reference_data / "photos" / "cat.jpg", network).double().contiguous()
    features = network.module.features.double()
    trace = record(features, images, [layer])
    units = five_units(trace, layer)
    found = project_trace(trace, units, rules=Rules(rule), seed="one")
    # One by one: a photograph has flat areas, where the last bit of a batched convolution moves a switch.
    wanted = torch.cat([captum_projections(features, features[int(layer)], images, [u], rule) for u in units])
    assert relative_error(found.pixels, wanted).max() < 1e-10
