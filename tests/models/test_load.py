"""Networks by name, and networks of one's own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from deconvviz import Unit, load_model, project, record
from deconvviz.errors import DeconvvizError, ModelError, WeightsError

NET = """
import torch
from torch import nn

class Tiny(nn.Sequential):
    input_size = 20
    mean, std = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    categories = ("cat", "dog")
    paper_names = {"conv1": "1"}

def tiny():
    return Tiny(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 18 * 18, 2))

def plain():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())

def nothing():
    return 3

def failing():
    raise ValueError("no luck")

answer = 42
"""


@pytest.fixture
def own_nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module with networks of a user's own, in the current folder."""
    (tmp_path / "own_nets_of_a_test.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    return "own_nets_of_a_test"


def saved(state: object, path: Path) -> Path:
    torch.save(state, path)
    return path


def test_random_weights_are_seeded_and_leave_the_random_state_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = (load_model("zfnet", "random", seed=s).module.state_dict() for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["features.conv1.weight"], other["features.conv1.weight"])


def test_unknown_models_offer_the_nearest() -> None:
    with pytest.raises(
        ModelError, match=r"no model 'alexnt'; did you mean 'alexnet'\?.*package\.module:function"
    ):
        load_model("alexnt", "random")


def test_a_network_of_ones_own(own_nets: str, tmp_path: Path) -> None:
    network = load_model(f"{own_nets}:tiny", "random", seed=3)
    again = load_model(f"{own_nets}:tiny", "random", seed=3)
    assert not network.module.training
    assert torch.equal(network.module[0].weight, again.module[0].weight)
    assert (network.input_size, network.categories) == (20, ("cat", "dog"))
    assert network.path_of("conv1") == "1"
    white = network.preset(Image.new("RGB", (33, 27), "white"))
    torch.testing.assert_close(white, torch.full((3, 20, 20), 2.0))
    torch.testing.assert_close(network.pixels(white), torch.ones(3, 20, 20))
    state = load_model(f"{own_nets}:tiny", "random", seed=4).module.state_dict()
    loaded = load_model(f"{own_nets}:tiny", saved(state, tmp_path / "w.pth"))
    assert torch.equal(loaded.module[3].weight, state["3.weight"])
    part = load_model(f"{own_nets}:tiny", saved({k: state[k] for k in list(state)[:2]}, tmp_path / "p.pth"))
    assert project(part, torch.zeros(1, 3, 20, 20), [Unit("conv1", 0)]).pixels.shape == (1, 3, 20, 20)
    with pytest.raises(WeightsError, match=r"p\.pth have no values for '3'"):
        project(part, torch.zeros(1, 3, 20, 20), [Unit("3", 0)])


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("nothing", "returned a int, not a torch.nn.Module"),
        ("failing", "building the network failed: ValueError: no luck"),
        ("absent", "has no function 'absent'"),
        ("answer", "has no function 'answer'"),
    ],
)
def test_functions_that_build_no_network(own_nets: str, function: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(f"{own_nets}:{function}", "random")


def test_modules_that_cannot_be_imported(tmp_path: Path, own_nets: str) -> None:
    (tmp_path / "broken_module_of_a_test.py").write_text("import math\nmath.nothing\n")
    with pytest.raises(ModelError, match=r"cannot import 'broken_module_of_a_test'.*AttributeError"):
        load_model("broken_module_of_a_test:net")
    with pytest.raises(ModelError, match="cannot import 'no_such_module_at_all'"):
        load_model("no_such_module_at_all:net")
    for name in (":net", "package:"):
        with pytest.raises(DeconvvizError) as caught:
            load_model(name)
        assert "\n" not in str(caught.value)


def test_batch_normalised_weights_without_their_batch_count(tmp_path: Path, own_nets: str) -> None:
    text = (
        "from torch import nn\ndef net():\n    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))\n"
    )
    (tmp_path / "normalised_net_of_a_test.py").write_text(text)
    state = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2)).state_dict()
    del state["1.num_batches_tracked"]
    network = load_model("normalised_net_of_a_test:net", saved(state, tmp_path / "w.pth"))
    assert record(network, torch.zeros(1, 3, 5, 5), ["1"]).maps["1"].shape == (1, 2, 3, 3)
