"""Saliency against captum, in networks with and without branches; and what it refuses."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from captum.attr import Deconvolution, GuidedBackprop
from captum.attr import Saliency as CaptumSaliency
from torch import Tensor, nn

from deconvviz import load_model
from deconvviz.deconvnet import Rectification
from deconvviz.errors import ChainError, DeconvvizError, ModelError, UnitError, WeightsError
from deconvviz.gradients.saliency import saliency
from deconvviz.models import Network

from ..oracle import relative_error
from ..strategies import noise
from .support import architecture, as_network

CAPTUMS = [Rectification.GRADIENT, Rectification.GUIDED, Rectification.DECONVNET]
RULES = pytest.mark.parametrize("rule", CAPTUMS, ids=lambda rule: rule.value)
TARGETS = [7, 0]


def without_relu6(module: nn.Module) -> nn.Module:
    """The same with plain rectifiers: captum's two rules know of no other, and leave ReLU6 as it is."""
    return copied(module, nn.ReLU6, lambda part, name: setattr(part, name, nn.ReLU(inplace=True)))


def with_own_relus(module: nn.Module) -> nn.Module:
    """ResNet's blocks call one rectifier twice, which captum's hooks cannot tell apart: one for each call."""

    def split(part: nn.Module, name: str) -> None:
        block = getattr(part, name)
        block.bn1, block.relu = nn.Sequential(block.bn1, nn.ReLU()), OnSecondCall()

    return copied(module, torchvision.models.resnet.BasicBlock, split)


def copied(module: nn.Module, kind: type[nn.Module], change: Callable[[nn.Module, str], None]) -> nn.Module:
    """A copy of a module in which every part of a kind is changed; the module itself where it has none."""
    if not any(isinstance(part, kind) for part in module.modules()):
        return module
    module = copy.deepcopy(module)
    for part in list(module.modules()):
        for name, child in part.named_children():
            if isinstance(child, kind):
                change(part, name)
    return module


class OnSecondCall(nn.Module):
    """Rectifies every other time it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.relu, self.second = nn.ReLU(), False

    def forward(self, x: Tensor) -> Tensor:
        self.second = not self.second
        return x if self.second else self.relu(x)


@pytest.fixture(scope="module", params=["vgg16", "resnet18", "mobilenet_v2"])
def classifier(request: pytest.FixtureRequest) -> nn.Module:
    return architecture(request.param)


@pytest.fixture(scope="module")
def images(photo_like: Tensor) -> Tensor:
    return torch.cat([photo_like[..., 60:124, 100:148], photo_like[..., 10:74, 30:78]]).float()


def captum(module: nn.Module, images: Tensor, rule: Rectification) -> Tensor:
    """What captum finds for `TARGETS`."""
    images = images.clone().requires_grad_()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting (backward|forward)", category=UserWarning)
        if rule is Rectification.GRADIENT:
            found: Tensor = CaptumSaliency(module).attribute(images, TARGETS, abs=False)
        elif rule is Rectification.GUIDED:
            found = GuidedBackprop(module).attribute(images, TARGETS)
        else:
            found = Deconvolution(module).attribute(images, TARGETS)
    return found.detach()


@RULES
def test_pixels_are_captums(classifier: nn.Module, images: Tensor, rule: Rectification) -> None:
    classifier = classifier if rule is Rectification.GRADIENT else without_relu6(classifier)
    found = saliency(as_network(classifier), images, TARGETS, rule)
    wanted = captum(with_own_relus(classifier), images, rule)
    assert (wanted.flatten(1).abs().amax(1) > 0).all()
    assert relative_error(found.pixels, wanted).max() < 1e-6
    assert torch.equal(found.maps, found.pixels.abs().amax(1))
    scores = classifier(images).detach()
    torch.testing.assert_close(found.scores, scores[[0, 1], TARGETS], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.probabilities, scores.double().softmax(1)[[0, 1], TARGETS])
    assert found.targets == tuple(TARGETS)


def small(*more: nn.Module, **about: Any) -> Network:
    """Five classes, for images of 8 x 8, in float64."""
    torch.manual_seed(0)
    parts = [nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), *more, nn.Flatten(), nn.Linear(144, 5)]
    return as_network(nn.Sequential(*parts).double(), "small", **about)


def test_each_images_most_probable_class_unless_told() -> None:
    network, images = small(), noise(0, 6, 3, 8, 8)
    most = network.module(images).argmax(1).tolist()
    assert len(set(most)) > 1
    found, told = saliency(network, images), saliency(network, images, most)
    assert found.targets == tuple(most)
    assert torch.equal(found.maps, told.maps)
    others = [(target + 1) % 5 for target in most]
    assert not torch.equal(found.maps, saliency(network, images, others).maps)
    mixed = saliency(network, images, [None, *others[1:]])
    assert mixed.targets == (most[0], *others[1:])


def test_one_image_and_several_classes() -> None:
    network, image = small(), noise(0, 1, 3, 8, 8)
    found = saliency(network, image.expand(5, -1, -1, -1), range(5))
    jacobian = torch.autograd.functional.jacobian(network.module, image)[0, :, 0]
    assert relative_error(found.pixels, jacobian).max() < 1e-12
    assert found.probabilities.sum().item() == pytest.approx(1)


def test_a_map_says_how_far_a_pixel_moves_the_score() -> None:
    network, image = small(), noise(0, 1, 3, 8, 8)
    found = saliency(network, image, [3])
    row, column = divmod(int(found.maps[0].argmax()), 8)
    moved = []
    for channel in range(3):
        changed = image.clone()
        changed[0, channel, row, column] += 1e-6
        moved.append((network.module(changed)[0, 3] - found.scores[0]).item() / 1e-6)
    assert max(map(abs, moved)) == pytest.approx(found.maps.max().item(), rel=1e-4)
    assert moved == pytest.approx(found.pixels[0, :, row, column].tolist(), rel=1e-4)


def test_contrast_normalisation_is_passed_unless_the_gradient_is_wanted() -> None:
    network, image = small(nn.LocalResponseNorm(3, alpha=2.0)), noise(0, 1, 3, 8, 8)
    exact = torch.autograd.functional.jacobian(network.module, image)[0, :, 0]
    assert relative_error(saliency(network, image, [1]).pixels, exact[1:2]).max() < 1e-12
    first, last = network.module[0], network.module[-1]
    signal = last.weight[1].view(1, 4, 6, 6).clamp(min=0) * (first(image) > 0)
    wanted = nn.functional.conv_transpose2d(signal, first.weight)
    guided = saliency(network, image, [1], Rectification.GUIDED).pixels
    assert relative_error(guided, wanted).max() < 1e-12


def refused(
    error: type[DeconvvizError], network: Network, images: Tensor, targets: Any = None, **rule: Rectification
) -> str:
    """The one line with which the saliency of these is refused."""
    with pytest.raises(error) as caught:
        saliency(network, images, targets, **rule)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("target", [5, -1])
def test_a_class_that_does_not_exist(target: int) -> None:
    said = refused(UnitError, small(), noise(0, 2, 3, 8, 8), [0, target])
    assert said == f"no class {target}: small has 5 classes, 0 to 4"


@pytest.mark.parametrize("targets", [[], [0], [0, 1, 2]])
def test_too_few_or_too_many_classes(targets: list[int]) -> None:
    said = refused(UnitError, small(), noise(0, 2, 3, 8, 8), targets)
    assert said == f"{len(targets)} classes for 2 images: give one for each"


def test_images_that_do_not_fit() -> None:
    said = refused(ModelError, small(), noise(0, 1, 3, 9, 9))
    assert said.startswith("images of (1, 3, 9, 9) do not pass the network: ")
    assert "torch.int64" in refused(ModelError, small(), torch.ones(1, 3, 8, 8, dtype=torch.int64))
    assert "NaN" in refused(ModelError, small(), torch.full((1, 3, 8, 8), torch.nan).double())


def test_weights_that_are_not_numbers_or_not_there() -> None:
    network = small()
    network.module[3].bias.data[2] = torch.nan
    assert "'3.bias'" in refused(WeightsError, network, noise(0, 1, 3, 8, 8))
    partial = as_network(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 2, device="meta")), "partial")
    said = refused(ModelError, partial, noise(0, 1, 3, 8, 8))
    assert said == "the weights as built serve 0 to 0, not partial's class scores"
    with torch.inference_mode():
        network = small()
    assert "inference_mode" in refused(ModelError, network, noise(0, 1, 3, 8, 8))


def test_networks_that_overwrite_what_the_derivative_needs() -> None:
    network = small(nn.Sigmoid(), nn.ReLU(inplace=True))  # the one keeps its output, the other writes on it
    said = refused(ModelError, network, noise(0, 1, 3, 8, 8))
    assert said.startswith("the network cannot be differentiated: ")
    twice = saliency(small(nn.ReLU(), nn.ReLU(inplace=True)), noise(0, 1, 3, 8, 8))
    assert torch.equal(twice.pixels, saliency(small(), noise(0, 1, 3, 8, 8)).pixels)


class Gives(nn.Module):
    """Makes something else of its convolution's maps."""

    def __init__(self, what: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.conv, self.what = nn.Conv2d(3, 4, 3).double(), what

    def forward(self, images: Tensor) -> Any:
        return self.what(self.conv(images))


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (lambda maps: maps, "net gives (1, 4, 6, 6), not (N, classes) scores"),
        (lambda maps: maps.flatten(2), "net gives (1, 4, 36), not (N, classes) scores"),
        (lambda maps: {"out": maps}, "net gives dict, not (N, classes) scores"),
        (lambda maps: None, "net gives NoneType, not (N, classes) scores"),
    ],
    ids=["maps", "sequence", "dict", "nothing"],
)
def test_networks_that_score_no_classes(what: Callable[[Tensor], Any], says: str) -> None:
    assert refused(ModelError, as_network(Gives(what)), noise(0, 1, 3, 8, 8)) == says


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@RULES
@pytest.mark.parametrize("compiled", [torch.jit.script, lambda m: torch.jit.trace(m, noise(0, 1, 3, 8, 8))])
def test_torchscript_has_the_gradient_rule_only(
    compiled: Callable[[nn.Module], nn.Module], rule: Rectification
) -> None:
    plain, images = small(), noise(0, 1, 3, 8, 8)
    network = as_network(compiled(copy.deepcopy(plain.module)), "compiled")
    if rule is Rectification.GRADIENT:
        found, wanted = saliency(network, images, [2]), saliency(plain, images, [2])
        assert relative_error(found.pixels, wanted.pixels).max() < 1e-12
        return
    said = refused(ChainError, network, images, rule=rule)
    assert said.startswith("the network is compiled (TorchScript)")
    part = as_network(nn.Sequential(nn.Identity(), network.module))
    assert refused(ChainError, part, images, rule=rule).startswith("'1' is compiled")


def test_a_network_of_the_catalogue_that_branches(images: Tensor) -> None:
    found = saliency(load_model("resnet18", "random"), images)
    assert found.maps.shape == (2, 64, 48)
    assert (found.maps.amax((1, 2)) > 0).all()
    assert (found.maps >= 0).all()
