"""The model that ships with the package: there, small, whole, and saying what it is."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NoReturn

import pytest
import safetensors
import torch
from PIL import Image
from torchvision.transforms import v2

from deconvviz import load_model, read_image
from deconvviz.data.images import sample_path
from deconvviz.errors import WeightsError
from deconvviz.models import Network, embedded
from deconvviz.models.embedded import embedded_weights


@pytest.fixture(scope="module")
def network() -> Network:
    """Loaded where no server can be reached."""

    def touched(*_: Any, **__: Any) -> NoReturn:
        pytest.fail("the network was touched")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("socket.create_connection", touched)
        patch.setattr("socket.getaddrinfo", touched)
        return load_model("mini")


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    """What its file says about itself."""
    with safetensors.safe_open(embedded_weights(), framework="pt") as file:
        content: dict[str, Any] = json.loads(file.metadata()["deconvviz"])
    return content


def test_it_loads_without_a_network(network: Network) -> None:
    assert (network.name, network.origin.path) == ("mini", embedded_weights())
    assert network.origin.label == "mini.safetensors"
    assert not network.module.training


def test_it_scores_a_hundred_named_classes(network: Network) -> None:
    assert (len(network.categories), len(network.class_ids)) == (100, 100)
    assert len(set(network.class_ids)) == 100
    for name, wnid in zip(network.categories, network.class_ids, strict=True):
        assert name != wnid
        assert name[:1].isalpha()
        assert wnid[0] == "n"
        assert wnid[1:].isdecimal()
    with torch.inference_mode():
        assert network.module(torch.zeros(2, 3, 64, 64)).shape == (2, 100)


def test_its_file_is_small() -> None:
    assert embedded_weights().stat().st_size < 6_000_000


def test_its_weights_are_finite_float32(network: Network) -> None:
    for name, value in network.module.state_dict().items():
        assert value.dtype == torch.float32, name
        assert torch.isfinite(value).all(), name
        assert value.std() > 0, name


@pytest.mark.parametrize("size", [(100, 100), (131, 90), (64, 64), (40, 57)])
def test_its_preprocessing_is_torchvisions(network: Network, size: tuple[int, int]) -> None:
    with Image.open(sample_path()) as whole:
        image = whole.convert("RGB").resize(size)
    steps = v2.Compose(
        [
            v2.Resize(64, antialias=True),
            v2.CenterCrop(64),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    seen = network.see(image)
    assert seen.shape == (1, 3, 64, 64)
    torch.testing.assert_close(seen[0], steps(image))


def test_it_looks_at_a_photograph(network: Network) -> None:
    with torch.inference_mode():
        scores = network.module(read_image(sample_path(), network))[0]
    assert scores.std() > 0.1


def test_it_says_how_it_was_made(facts: dict[str, Any]) -> None:
    assert facts["command"].startswith("deconvviz train-classifier ")
    assert facts["made_by"].startswith("deconvviz ")
    assert isinstance(facts["settings"]["seed"], int)
    assert datetime.fromisoformat(facts["date"]).tzinfo is not None
    assert facts["data"]["training_images"] > facts["data"]["validation_images"] > 0
    assert 1 <= facts["epoch"] <= facts["settings"]["epochs"]
    assert 0.1 < facts["val_top1"] < 1


def test_its_card_says_what_it_is_for_and_how_good(facts: dict[str, Any]) -> None:
    card = embedded_weights().with_name("mini.md").read_text(encoding="utf-8")
    assert "Intended use" in card
    assert f"{facts['val_top1']:.3f}" in card


def test_an_installation_without_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(embedded, "files", lambda _: tmp_path)
    with pytest.raises(WeightsError, match=r"embedded model is missing from .*; install deconvviz again"):
        load_model("mini")
