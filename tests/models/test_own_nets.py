"""``mini`` and ``cifar``: their layers, their sizes, their mirrors; and networks with other classes."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from deconvviz import load_model, mirror, record
from deconvviz.deconvnet import Rectification, Rules
from deconvviz.errors import ModelError
from deconvviz.models import CATALOGUE, leaves
from deconvviz.models import mini as mini_file
from deconvviz.models.building import build
from deconvviz.models.folding import fold_norms

from ..conftest import smooth_noise
from ..oracle import autograd_twin, relative_error
from ..strategies import noise

SIDES = {"mini": 64, "cifar": 32}
MINI = ["conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5", "fc6", "fc7", "fc8"]
CIFAR = {  # maps and side of each layer, the latter None for vectors
    "conv1_1": (64, 32),
    "pool1": (64, 16),
    "conv2_1": (64, 16),
    "conv2_2": (256, 16),
    "pool2": (256, 8),
    "conv3_1": (256, 8),
    "conv3_2": (256, 8),
    "pool3": (256, 4),
    "conv4_1": (512, 4),
    "pool4": (512, 1),
    "fc5": (10, None),
}
BOTH = pytest.mark.parametrize("name", ["mini", "cifar"])
NETS = """
from torch import nn

def body():
    return [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]

def takes(num_classes=7):
    return nn.Sequential(*body(), nn.Linear(4, num_classes))

def lacks():
    return nn.Sequential(*body(), nn.Sequential(nn.ReLU(), nn.Linear(4, 7, bias=False)))

def ends():
    return nn.Sequential(*body(), nn.Linear(4, 7), nn.Softmax(1))
"""


def normed(name: str) -> nn.Module:
    """The form for training in float64 and evaluation mode, its batch norms with random statistics."""
    module = build(name, norm=True, classes=7).module.double().eval()
    generator = torch.Generator().manual_seed(5)
    for m in module.modules():
        if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d):
            for values in (m.weight, m.bias, m.running_mean, m.running_var):
                values.data.copy_(torch.rand(values.shape, generator=generator, dtype=torch.float64) + 0.2)
    return module


def documented_sizes() -> dict[str, tuple[int, int | None]]:
    """The table in the docstring of `mini`: layer to maps and side."""
    rows = [line.strip("| ").split("|") for line in str(mini_file.__doc__).splitlines() if line[:1] == "|"]
    head, _, maps, sides = [[cell.strip() for cell in row] for row in rows]
    sides += [""] * (len(maps) - len(sides))
    return {
        layer: (int(count), int(side) if side else None)
        for layer, count, side in zip(head, maps[1:], sides[1:], strict=True)
    }


def test_layers_go_by_the_papers_names() -> None:
    assert list(load_model("mini", "random").paper_names) == MINI
    assert list(load_model("cifar", "random").paper_names) == list(CIFAR)


@BOTH
def test_maps_have_the_sizes_that_are_documented(name: str) -> None:
    sizes = CIFAR if name == "cifar" else {**documented_sizes(), "fc8": (100, None)}
    assert {*sizes} >= {*load_model(name, "random").paper_names}
    network = load_model(name, "random")
    assert network.input_size == SIDES[name]
    trace = record(network, torch.zeros(1, 3, SIDES[name], SIDES[name]), list(sizes))
    for layer, (maps, side) in sizes.items():
        assert trace.features(layer).shape[1:] == ((maps, side, side) if side else (maps,)), layer


def test_convolutions_of_cifar_start_as_the_identity_over_common_maps() -> None:
    module = build("cifar", norm=True, seed=1).module
    for name in ("conv2_1", "conv2_2", "conv3_2", "conv4_1"):
        kernels = module.get_submodule(f"features.{name}").weight
        common = min(kernels.shape[:2])
        wanted = torch.zeros(common, kernels.shape[1], 3, 3)
        wanted[torch.arange(common), torch.arange(common), 1, 1] = 1
        assert torch.equal(kernels[:common], wanted)
        assert (kernels[common:] != 0).all()
    assert (module.get_submodule("features.conv1_1").weight != 0).all()


@BOTH
def test_folded_batch_norms_change_nothing(name: str) -> None:
    module, images = normed(name), noise(1, 2, 3, SIDES[name], SIDES[name])
    folded = copy.deepcopy(module)
    fold_norms(folded)
    rectified = [path for path, m in module.named_modules() if isinstance(m, nn.ReLU)]
    before, after = (record(net, images, rectified).maps for net in (module, folded))
    for path in rectified:
        assert before[path].std() > 0
        torch.testing.assert_close(after[path], before[path], rtol=1e-10, atol=1e-10)
    with torch.inference_mode():
        torch.testing.assert_close(folded(images), module(images), rtol=1e-10, atol=1e-10)


@BOTH
def test_folding_leaves_the_other_modules_their_names(name: str) -> None:
    module = normed(name)
    norms = [path for path, m in module.named_modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    kept = [path for path, _ in module.named_modules() if path not in norms]
    fold_norms(module)
    assert norms
    assert [path for path, _ in module.named_modules()] == kept
    plain = build(name, classes=7).module
    assert str(module) == str(plain)
    shapes = [{key: t.shape for key, t in net.state_dict().items()} for net in (module, plain)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("rule", list(Rectification), ids=lambda rule: rule.value)
@pytest.mark.parametrize(("name", "layer"), [("mini", "conv5"), ("cifar", "conv4_1")])
def test_mirrors_equal_automatic_differentiation(name: str, layer: str, rule: Rectification) -> None:
    module, images = normed(name), smooth_noise(SIDES[name], SIDES[name])
    fold_norms(module)
    path = load_model(name, "random").paper_names[layer]
    chain = dict(leaves(module))
    chain = [m for place, m in chain.items() if list(chain).index(place) <= list(chain).index(path)]
    trace = record(module, images, [path])
    signal = noise(2, *trace.features(path).shape)
    wanted = autograd_twin(chain, images, signal, rule)
    assert wanted.abs().amax() > 0
    assert relative_error(mirror(trace, path, Rules(rule))(signal), wanted).max() < 1e-10


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of a user's networks in the current folder."""
    (tmp_path / "scored_nets_of_a_test.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", sys.path.copy())
    return "scored_nets_of_a_test"


def scores(module: nn.Module) -> Tensor:
    with torch.inference_mode():
        return module(torch.ones(1, 3, 8, 8))


@pytest.mark.parametrize("function", ["takes", "lacks"])
def test_a_users_network_gets_as_many_scores_as_there_are_classes(nets: str, function: str) -> None:
    name = f"{nets}:{function}"
    assert scores(build(name).module).shape == (1, 7)
    before = torch.get_rng_state()
    first, again, other = (build(name, classes=3, seed=seed).module for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert scores(first).shape == (1, 3)
    last = list(first.state_dict())[-1]
    assert torch.equal(first.state_dict()[last], again.state_dict()[last])
    assert not torch.equal(first.state_dict()[last], other.state_dict()[last])


def test_a_new_last_layer_stands_where_the_old_one_stood(nets: str) -> None:
    old, new = (build(f"{nets}:lacks", classes=classes).module for classes in (None, 3))
    assert list(old.state_dict()) == list(new.state_dict())  # like the old one it has no bias
    assert torch.equal(old[0].weight, new[0].weight)


def test_a_last_layer_of_the_right_size_is_kept(nets: str) -> None:
    old, same = (build(f"{nets}:lacks", classes=classes).module for classes in (None, 7))
    assert torch.equal(old[-1][-1].weight, same[-1][-1].weight)


def test_a_network_that_ends_otherwise_cannot_be_given_classes(nets: str) -> None:
    with pytest.raises(ModelError) as caught:
        build(f"{nets}:ends", classes=3)
    assert str(caught.value) == (
        f"{nets}:ends cannot be given 3 classes: its last layer '5' is a Softmax; "
        "let the function take num_classes"
    )


@pytest.mark.parametrize("name", {e.file or name: name for name, e in reversed(CATALOGUE.items())}.values())
def test_every_kind_of_named_network_can_be_given_classes(name: str) -> None:
    with torch.device("meta"):
        module = build(name, classes=3, norm=True).module
    path, last = [(path, m) for path, m in leaves(module) if isinstance(m, nn.Linear | nn.Conv2d)][-1]
    assert (last.out_channels if isinstance(last, nn.Conv2d) else last.out_features) == 3, path
    assert isinstance(last, nn.Linear) or name.startswith("squeezenet")


@BOTH
def test_only_the_form_for_training_has_batch_norms(name: str) -> None:
    kinds = [{type(m) for m in build(name, norm=norm).module.modules()} for norm in (False, True)]
    assert not kinds[0] & {nn.BatchNorm1d, nn.BatchNorm2d}
    assert nn.BatchNorm2d in kinds[1]
