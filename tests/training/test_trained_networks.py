"""What was trained serves as weights: ``load_model("auto", RUN)`` and everything behind it."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from deconvviz.data.images import open_photo, sample_path
from deconvviz.errors import ModelError, WeightsError
from deconvviz.models import load_model
from deconvviz.models.building import IMAGENET_MEAN, IMAGENET_STD, build
from deconvviz.training.classifier import train_classifier

from .support import built, colours, quick, tensors


@pytest.fixture(scope="module", params=["mini", "cifar"])
def catalogue_run(request, tmp_path_factory):
    """The name of a network of ours, and the folder of a run of six steps."""
    name = request.param
    out = tmp_path_factory.mktemp(name)
    net = build(name, classes=2, norm=True)
    train_classifier(name, colours(), quick(lr=0.05, schedule="constant"), out, built=net, progress=False)
    return name, out


@pytest.fixture(scope="module")
def own_run(tmp_path_factory):
    """The folder of a run of a network of the user's own."""
    out = tmp_path_factory.mktemp("own")
    train_classifier("learners:small", colours(), quick(epochs=1), out, built=built(), progress=False)
    return out


def test_the_folded_network_gives_the_scores_of_the_unfolded(catalogue_run):
    name, out = catalogue_run
    network = load_model("auto", out)
    assert not any(isinstance(module, _BatchNorm) for module in network.module.modules())
    unfolded = build(name, classes=2, norm=True).module
    unfolded.load_state_dict(tensors(out / "best.safetensors"))
    images = torch.randn(4, 3, network.input_size, network.input_size)
    with torch.inference_mode():
        expected = unfolded.eval()(images)
        torch.testing.assert_close(network.module(images), expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.01  # else the comparison says nothing


def test_a_run_says_what_it_is(catalogue_run):
    name, out = catalogue_run
    network = load_model("auto", out)
    assert network.name == name
    assert network.categories == ("red", "blue")
    assert network.class_ids == ("n0", "n1")
    assert network.input_size == {"mini": 64, "cifar": 32}[name]
    assert tuple(network.preset.mean) == IMAGENET_MEAN
    assert tuple(network.preset.std) == IMAGENET_STD
    assert network.path_of(network.paper_names and next(iter(network.paper_names))).startswith("features")
    assert load_model(name, out).name == name


def test_a_network_of_ones_own(folder, own_run):
    network = load_model("auto", own_run)
    assert network.name == "learners:small"
    assert network.categories == ("red", "blue")
    assert network.input_size == 16
    assert tuple(network.preset.mean) == (0.5, 0.4, 0.3)
    assert tuple(network.preset.std) == (0.25, 0.2, 0.3)
    unfolded = built().module
    unfolded.load_state_dict(tensors(own_run / "best.safetensors"))
    image = network.see(open_photo(sample_path()).image)
    assert image.shape == (1, 3, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(network.module(image), unfolded.eval()(image), rtol=1e-4, atol=1e-4)


def test_another_model_is_refused(catalogue_run):
    name, out = catalogue_run
    with pytest.raises(ModelError) as caught:
        load_model("alexnet", out)
    assert str(caught.value).endswith(f"was trained as {name}, not alexnet; leave --model away")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("no run.json", "not a training run"),
        ("no weights", "its first epoch has not ended"),
        ("half a run.json", "is damaged"),
        ("half the weights", "is damaged"),
        ("a list", "is damaged"),
        ("nothing trained", "is damaged"),
    ],
)
def test_a_damaged_run_is_refused(tmp_path, catalogue_run, damage, says):
    out = shutil.copytree(catalogue_run[1], tmp_path / "run")
    record, best = out / "run.json", out / "best.safetensors"
    if damage == "no run.json":
        record.unlink()
    elif damage == "no weights":
        best.unlink()
    elif damage == "half the weights":
        best.write_bytes(best.read_bytes()[:1000])
    else:
        words = {"a list": "[]", "nothing trained": "{}", "half a run.json": record.read_text()[:50]}
        record.write_text(words[damage])
    with pytest.raises(WeightsError, match=says) as caught:
        load_model("auto", out)
    assert "\n" not in str(caught.value)
