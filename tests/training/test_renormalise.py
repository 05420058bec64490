"""Renormalised filters: none is longer than the radius, none is turned, and none is touched without need."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

from deconvviz.errors import TrainingError
from deconvviz.training.classifier import train_classifier
from deconvviz.training.renormalise import filter_rms, renormalise

from ..cli.support import complaint, invoke
from .support import built, colours, history, quick, same, tensors, trainer

pytestmark = pytest.mark.usefixtures("cache")
RADIUS = 0.1


def convolutions(module):
    return [m for m in module.modules() if isinstance(m, nn.Conv2d)]


def slow_rms(weight):
    """Of each filter, a weight at a time."""
    return [math.sqrt(sum(v * v for v in f.flatten().tolist()) / f.numel()) for f in weight.detach()]


def uneven(dtype=torch.float32):
    """A convolution of grouped filters from a hundredth to ten times the radius, one of them zero."""
    conv = nn.Conv2d(4, 8, 3, groups=2).to(dtype)
    sizes = torch.tensor([0.01, 0.5, 0.999, 1.001, 2, 10, 0, 1], dtype=dtype) * RADIUS
    with torch.no_grad():
        noise = torch.randn(conv.weight.shape, generator=torch.Generator().manual_seed(0)).to(dtype)
        conv.weight.copy_(noise / filter_rms(noise)[:, None, None, None] * sizes[:, None, None, None])
    return conv


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_long_filters_are_shortened_and_the_others_left_alone(dtype):
    conv = uneven(dtype)
    before, bias = conv.weight.detach().clone(), conv.bias.detach().clone()
    assert filter_rms(before).tolist() == pytest.approx(slow_rms(before), rel=1e-12)
    long = filter_rms(before) > RADIUS
    assert 3 <= long.sum() <= 5
    renormalise(nn.Sequential(conv), RADIUS)
    after = conv.weight.detach()
    assert torch.equal(after[~long], before[~long])
    assert torch.equal(conv.bias, bias)
    found = filter_rms(after)[long]
    assert (found <= RADIUS).all()
    torch.testing.assert_close(found, torch.full_like(found, RADIUS), rtol=1e-6, atol=0)
    cosines = torch.cosine_similarity(after[long].flatten(1), before[long].flatten(1))
    torch.testing.assert_close(cosines, torch.ones_like(cosines), rtol=1e-6, atol=0)
    once = after.clone()
    renormalise(conv, RADIUS)
    assert torch.equal(conv.weight, once)


def test_only_convolutions_that_are_trained():
    net = nn.Sequential(uneven(), uneven(), nn.Linear(3, 4))
    net[1].weight.requires_grad_(False)
    nn.init.constant_(net[2].weight, 7)
    kept = net[1].weight.detach().clone()
    renormalise(net, RADIUS)
    assert filter_rms(net[0].weight).max() <= RADIUS
    assert torch.equal(net[1].weight, kept)
    assert (net[2].weight == 7).all()


@pytest.mark.parametrize("radius", [0, -0.1, math.nan, math.inf])
def test_the_radius_is_positive(radius):
    with pytest.raises(TrainingError, match="takes a positive number such as"):
        renormalise(uneven(), radius)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_after_every_step_no_filter_is_longer(optimiser):
    settings = {"optimiser": optimiser, "lr": 0.3}
    train, free = (trainer(built(), colours(), quick(renormalise=r, **settings)) for r in (RADIUS, None))
    for one in (train, free):
        assert max(float(filter_rms(c.weight).max()) for c in convolutions(one.module)) > RADIUS
        one.module.train()
        for images, labels in one.batches(1):
            one.step(images, labels, 0.3)
            longest = max(float(filter_rms(c.weight).max()) for c in convolutions(one.module))
            assert (longest <= RADIUS) is (one is train)


def test_a_large_radius_changes_no_bit():
    plain, loose = (trainer(built(), colours(), quick(renormalise=r)) for r in (None, 100.0))
    for one in (plain, loose):
        one.epoch(1, lambda *_: None)
    assert same(plain.weights(), loose.weights())


def test_a_frozen_beginning_keeps_its_filters():
    made = built()
    before = {name: t.clone() for name, t in made.module.features.state_dict().items()}
    assert filter_rms(before["0.weight"]).max() > RADIUS
    train = trainer(made, colours(), quick(freeze="features", renormalise=RADIUS))
    train.epoch(1, lambda *_: None)
    kept = {name: train.weights()[f"features.{name}"] for name in before}
    assert same(kept, before)


def test_a_run_that_was_stopped_ends_with_the_same_bits(tmp_path):
    settings, data = quick(renormalise=RADIUS), colours()
    words = {"progress": False}
    train_classifier("learners:small", data, settings, tmp_path / "whole", built=built(), **words)

    class Stop(Exception):  # noqa: N818
        """After the second epoch."""

    def stop(row):
        if row["epoch"] == 2:
            raise Stop

    cut = tmp_path / "cut"
    with pytest.raises(Stop):
        train_classifier("learners:small", data, settings, cut, built=built(), after_epoch=stop, **words)
    train_classifier("learners:small", data, settings, cut, built=built(), resume=True, **words)
    assert history(cut) == history(tmp_path / "whole")
    for name in ("last", "best"):
        assert same(tensors(cut / f"{name}.safetensors"), tensors(tmp_path / "whole" / f"{name}.safetensors"))
    best = tensors(cut / "best.safetensors")
    assert filter_rms(best["features.0.weight"]).max() <= RADIUS


TASK = ["train-classifier", "--data", "dead-leaves", "--classes", "2", "--train-per-class", "4"]
TASK += ["--val-per-class", "2", "--model", "learners:small", "--batch-size", "4", "--epochs", "1"]
TASK += ["--out", "run", "--device", "cpu", "--quiet"]


def test_the_command_records_it_and_does_not_change_it_later(folder):
    invoke(*TASK, "--renormalise", "0.05").ok()
    assert json.loads((folder / "run" / "run.json").read_text())["settings"]["renormalise"] == 0.05
    assert filter_rms(tensors(folder / "run" / "last.safetensors")["model.features.0.weight"]).max() <= 0.05
    said = complaint(invoke(*TASK, "--renormalise", "0.2", "--resume"))
    assert "renormalise 0.05 -> 0.2" in said


@pytest.mark.parametrize("value", ["0", "-0.1", "much"])
def test_wrong_usage(folder, value):
    said = complaint(invoke(*TASK, "--renormalise", value), code=2)
    assert "--renormalise" in said
    assert not (folder / "run").exists()
