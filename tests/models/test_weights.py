"""Weights files that are whole, partial, foreign, damaged or dangerous."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor

from deconvviz import Unit, load_model, project, record
from deconvviz.errors import WeightsError
from deconvviz.models import Network

State = dict[str, Tensor]


class Harmful:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.write_text, (self.path, "was run")


@pytest.fixture(scope="module")
def features() -> State:
    """The state of AlexNet's convolutions, without its fc layers."""
    module = load_model("alexnet", "random", seed=5).module
    return {name: t.clone() for name, t in module.state_dict().items() if name.startswith("features")}


def saved(state: object, path: Path) -> Path:
    torch.save(state, path)
    return path


def assert_holds(network: Network, state: State) -> None:
    loaded = network.module.state_dict()
    for name, tensor in state.items():
        torch.testing.assert_close(loaded[name], tensor.float(), rtol=0, atol=0)


def test_partial_weights_serve_their_layers_and_refuse_the_rest(features: State, tmp_path: Path) -> None:
    network = load_model("alexnet", saved(features, tmp_path / "part.pth"))
    assert_holds(network, features)
    assert network.served() == "conv1 to pool5"
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    assert project(network, images, [Unit("pool5", 3)]).pixels.shape == (1, 3, 224, 224)
    message = "the weights part.pth have no values for 'fc6'; they serve conv1 to pool5"
    with pytest.raises(WeightsError, match=message):
        project(network, images, [Unit("fc6", 0)])
    with pytest.raises(WeightsError, match=r"no values for 'classifier\.1'"):
        record(network, images)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state},
        lambda state: {f"module.{name}": t for name, t in state.items()},
        lambda state: {"state_dict": {f"module.{name}": t for name, t in state.items()}},
    ],
    ids=["bare", "state_dict", "model", "DataParallel", "both"],
)
def test_the_usual_shapes_of_a_weights_file(
    features: State, tmp_path: Path, change: Callable[[State], object]
) -> None:
    assert_holds(load_model("alexnet", saved(change(features), tmp_path / "w.pth")), features)


def test_safetensors(features: State, tmp_path: Path) -> None:
    safetensors.torch.save_file(features, tmp_path / "w.safetensors")
    assert_holds(load_model("alexnet", tmp_path / "w.safetensors"), features)


def test_torchs_older_file_format(features: State, tmp_path: Path) -> None:
    torch.save(features, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    assert_holds(load_model("alexnet", tmp_path / "w.pth"), features)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32(features: State, tmp_path: Path, dtype: torch.dtype) -> None:
    half = {name: t.to(dtype) for name, t in features.items()}
    network = load_model("alexnet", saved(half, tmp_path / "w.pth"))
    assert network.module.features[0].weight.dtype is torch.float32
    assert_holds(network, half)


def refused(weights: Path, model: str = "alexnet") -> str:
    with pytest.raises(WeightsError) as caught:
        load_model(model, weights)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_another_networks_weights(features: State, tmp_path: Path) -> None:
    assert "of another network" in refused(saved({"conv.weight": torch.zeros(2)}, tmp_path / "a.pth"))
    extra = features | {"head.bias": torch.zeros(3)}
    assert "it has 'head.bias', which alexnet lacks" in refused(saved(extra, tmp_path / "b.pth"))
    wrong = features | {"features.0.weight": torch.zeros(64, 3, 7, 7)}
    message = refused(saved(wrong, tmp_path / "c.pth"))
    assert "'features.0.weight' is 64x3x7x7 in the file, 64x3x11x11 in the network" in message
    assert "vgg16" in refused(saved(features, tmp_path / "d.pth"), "vgg16")


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_damaged_files(features: State, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"w.{suffix}"
    path.write_bytes(b"certainly not a weights file" * 20)
    assert "damaged" in refused(path)
    path.write_bytes(b"")
    assert "damaged" in refused(path)
    (safetensors.torch.save_file if suffix == "safetensors" else torch.save)(features, path)
    whole = path.read_bytes()
    for length in (10, len(whole) // 2, len(whole) - 20):
        path.write_bytes(whole[:length])
        assert "damaged" in refused(path)


def test_a_picture_instead_of_weights(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "cat.jpg")
    assert "damaged or not a weights file" in refused(tmp_path / "cat.jpg")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, zipped: bool) -> None:
    path, trace = tmp_path / "w.pth", tmp_path / "trace.txt"
    torch.save({"weight": Harmful(trace)}, path, _use_new_zipfile_serialization=zipped)
    assert "refused" in refused(path)
    assert not trace.exists()


def test_files_that_are_no_state_dicts(tmp_path: Path) -> None:
    assert "is not a state dict" in refused(saved([torch.zeros(2)], tmp_path / "list.pth"))
    assert "is not a state dict" in refused(saved({"a": 3}, tmp_path / "numbers.pth"))
    assert "holds no tensors" in refused(saved({}, tmp_path / "empty.pth"))
    assert "does not exist" in refused(tmp_path / "missing.pth")
    assert "is a folder" in refused(tmp_path)
