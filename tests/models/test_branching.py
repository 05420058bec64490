"""torchvision's networks with branches: by name, and with published files as they are."""

from __future__ import annotations

import re
import warnings
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision import models as theirs

from deconvviz import load_model, record
from deconvviz.errors import ModelError, WeightsError
from deconvviz.models import CATALOGUE, auto, outline
from deconvviz.models.building import build, builder, published_preset
from deconvviz.models.downloads import as_built

SMALLEST = {entry.file or name: name for name, entry in reversed(CATALOGUE.items())}
"""The first network of every file of torchvision, and those of this project."""
HEADS = {"googlenet": ("aux1", "aux2"), "inception_v3": ("AuxLogits",)}


@cache
def unfilled(name: str) -> nn.Module:
    with torch.device("meta"):
        return build(name).module


def saved(path: Path, state: dict[str, Tensor]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return path


def first_tensor(name: str) -> dict[str, Tensor]:
    key, tensor = next(iter(unfilled(name).state_dict().items()))
    return {key: torch.zeros(tensor.shape)}


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if entry.file])
def test_its_names_are_torchvisions(name: str) -> None:
    function, weights = builder(name, lean=False)
    assert function.args[1] is getattr(theirs, name)
    assert weights is theirs.get_model_weights(name).DEFAULT
    assert len(weights.meta["categories"]) == 1000
    shown, published = published_preset(weights, CATALOGUE[name].input_size), weights.transforms()
    assert vars(shown) == vars(published)


@pytest.mark.parametrize("name", SMALLEST.values())
def test_its_parameters_begin_as_the_catalogue_says(name: str) -> None:
    parts, keys = CATALOGUE[name].parts, [re.sub(r"\d+", "#", key) for key in unfilled(name).state_dict()]
    assert [key for key in keys if not key.startswith(parts)] == []
    assert [part for part in parts if not any(key.startswith(part) for key in keys)] == []


@pytest.mark.parametrize("name", ["googlenet", "squeezenet1_0", "regnet_y_400mf"])
def test_its_layers_can_be_listed_without_weights(name: str) -> None:
    before = torch.get_rng_state()
    network = outline(name)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(t.is_meta for t in (*network.module.parameters(), *network.module.buffers()))
    steps = list(record(network.module, torch.empty(1, 3, 224, 224, device="meta")))
    assert steps[-1].output_shape[:2] == (1, 1000)
    assert not network.paper_names


@pytest.mark.parametrize("name", HEADS)
def test_random_weights_come_without_warnings_and_heads(name: str) -> None:
    before = torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = load_model(name, "random", seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert not {*HEADS[name]} & {path for path, m in network.module.named_children() if m is not None}
    assert isinstance(network.module.train()(torch.zeros(2, 3, 75, 75)), Tensor)  # no tuple with other scores
    assert network.input_size == {"googlenet": 224, "inception_v3": 299}[name]
    assert (len(network.categories), network.class_ids) == (1000, ())


@pytest.mark.parametrize("name", HEADS)
def test_a_published_file_has_heads_that_are_left_out(name: str) -> None:
    with torch.device("meta"):
        whole = getattr(theirs, name)(aux_logits=True, init_weights=False).state_dict()
    built = as_built(CATALOGUE[name], whole)
    assert built.keys() == unfilled(name).state_dict().keys()
    assert {key.split(".")[0] for key in whole.keys() - built.keys()} == {*HEADS[name]}


def test_a_published_file_of_googlenet_is_scored_as_torchvision_does(tmp_path: Path) -> None:
    module = theirs.googlenet(aux_logits=True, transform_input=True, init_weights=False).eval()
    path = saved(tmp_path / "g.pth", module.state_dict())
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(load_model("googlenet", path).module(images), module(images))
    assert load_model("auto", path).name == "googlenet"


def test_the_old_names_of_densenet_are_read() -> None:
    state = unfilled("densenet121").state_dict()
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", key): t for key, t in state.items()}
    assert len(old.keys() - state.keys()) > 100
    assert as_built(CATALOGUE["densenet121"], old).keys() == state.keys()
    assert as_built(CATALOGUE["densenet121"], state).keys() == state.keys()


def test_mnasnets_file_needs_no_version(tmp_path: Path) -> None:
    state = dict(theirs.mnasnet1_0().state_dict())  # a plain one, as from safetensors
    network = load_model("mnasnet1_0", saved(tmp_path / "m.pth", state))
    assert torch.equal(network.module.classifier[1].weight, state["classifier.1.weight"])


@pytest.mark.parametrize("name", ["squeezenet1_1", "regnet_y_400mf", "convnext_tiny"])
def test_what_a_file_lacks_has_no_values(tmp_path: Path, name: str) -> None:
    before = torch.get_rng_state()
    module = load_model(name, saved(tmp_path / "start.pth", first_tensor(name))).module
    assert torch.equal(torch.get_rng_state(), before)
    assert [key for key, p in module.named_parameters() if not p.is_meta] == list(first_tensor(name))


@pytest.mark.parametrize("name", ["resnet34", "squeezenet1_1", "efficientnet_b0"])
def test_a_whole_file_fits_one_network(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    state = unfilled(name).state_dict()
    monkeypatch.setattr(auto, "read_state", lambda _: state)
    assert auto._fitting(Path("whole.pth"), lean=False) == name


def test_only_networks_that_may_fit_are_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def counting(name: str, **options: bool) -> object:
        seen.append(name)
        return build(name, **options)

    monkeypatch.setattr(auto, "build", counting)
    with pytest.raises(ModelError, match=r"fits none of the networks that go by a name; say --model"):
        load_model("auto", saved(tmp_path / "s.pth", {"layer1.0.conv1.weight": torch.zeros(3)}))
    assert {CATALOGUE[name].file for name in seen} == {"models.resnet"}
    seen.clear()
    with pytest.raises(ModelError, match="fits none"):
        load_model("auto", saved(tmp_path / "s.pth", {"aux1.fc2.bias": torch.zeros(1000)}))
    assert seen == []
    with pytest.raises(WeightsError, match=r"it has 'aux1\.fc2\.bias' \.\.\., googlenet has 'conv1"):
        load_model("googlenet", tmp_path / "s.pth")
    assert load_model("auto", saved(tmp_path / "s.pth", theirs.resnet18().state_dict())).name == "resnet18"
    assert seen == ["resnet18"]


@pytest.mark.parametrize(
    ("name", "file", "resized", "interpolation"),
    [
        ("alexnet", "alexnet-owt-7be5be79.pth", 256, "bilinear"),
        ("resnet50", "resnet50-11ad3fa6.pth", 232, "bilinear"),
        ("resnet50", "resnet50-0676ba61.pth", 256, "bilinear"),
        ("resnet50", "mine.pth", 256, "bilinear"),
        ("efficientnet_b0", "efficientnet_b0_rwightman-7f5810bc.pth", 256, "bicubic"),
    ],
)
def test_published_weights_see_what_they_were_measured_on(
    tmp_path: Path, name: str, file: str, resized: int, interpolation: str
) -> None:
    path = saved(tmp_path / file, first_tensor(name))
    shown = load_model(name, path, input_size=448).preset
    assert (shown.crop_size, shown.resize_size) == ([448], [2 * resized])
    assert shown.interpolation.value == interpolation


def test_default_weights_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    name = Path(theirs.Inception_V3_Weights.DEFAULT.url).name
    saved(tmp_path / "hub" / "checkpoints" / name, first_tensor("inception_v3"))
    network = load_model("inception_v3")
    assert (network.preset.crop_size, network.preset.resize_size) == ([299], [342])
    assert network.origin.label == name
    assert network.module.transform_input
