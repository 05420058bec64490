"""A run as one file: the same network, in less space, saying what it is."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from deconvviz_cli.train_classifier import train_classifier as train_command
from torch import Tensor, nn

from deconvviz.data.datasets import open_data
from deconvviz.data.dead_leaves import CLASSES
from deconvviz.errors import DeconvvizError, TrainingError
from deconvviz.models import leaves, load_model
from deconvviz.models.building import build
from deconvviz.models.trained import BEST_FILE, RUN_FILE
from deconvviz.training.checkpoint import read_tensors, save_tensors
from deconvviz.training.classifier import train_classifier
from deconvviz.training.exporting import export_run
from deconvviz.training.settings import Settings
from deconvviz.training.start import started

from ..conftest import smooth_noise
from ..data.support import class_folders

OWN = "exported_nets_of_a_test"
NET = """
from torch import nn

def normed():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(32, 5),
    )
    net.input_size, net.mean, net.std = 24, (0.5, 0.4, 0.3), (0.25, 0.25, 0.5)
    return net
"""


@dataclass(frozen=True)
class Run:
    """A trained network: its name, its folder, and its scores of two images before anything was exported."""

    model: str
    folder: Path
    images: Tensor
    scores: Tensor


@pytest.fixture(scope="module", params=["mini", "cifar", f"{OWN}:normed"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One epoch on dead leaves."""
    model, folder = str(request.param), tmp_path_factory.mktemp("work")
    (folder / f"{OWN}.py").write_text(NET)
    settings = Settings(epochs=1, batch_size=12, lr=0.01)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", sys.path.copy())
        built, _ = started(model, 12, "random", 0)
        side = built.input_size
        leaves = open_data("dead-leaves", train_per_class=2, val_per_class=1, side=side, progress=False)
        train_classifier(model, leaves, settings, folder / "run", built=built, progress=False)
        images = torch.cat([smooth_noise(side, side, seed) for seed in (0, 1)]).float()
        trained = build(model, classes=12, norm=True).module.eval()
        trained.load_state_dict(read_tensors(folder / "run" / BEST_FILE)[0])
        yield Run(model, folder / "run", images, scored(trained, images))


def scored(module: nn.Module, images: Tensor) -> Tensor:
    with torch.inference_mode():
        return module(images)


def largest_difference(found: Tensor, wanted: Tensor) -> float:
    """Relative to the largest score."""
    return float((found - wanted).abs().max() / wanted.abs().max())


@pytest.mark.parametrize(("half", "within"), [(False, 1e-5), (True, 1e-2)])
def test_an_exported_network_scores_as_its_run_does(
    run: Run, tmp_path: Path, half: bool, within: float
) -> None:
    path = export_run(run.folder, tmp_path / "new" / "net.safetensors", half=half)
    assert run.scores.std(1).min() > 0.1 * run.scores.abs().max()  # they tell classes apart
    for weights in (run.folder, path):
        network = load_model("auto", weights)
        assert network.name == run.model
        assert network.categories == network.class_ids == CLASSES
        assert largest_difference(scored(network.module, run.images), run.scores) < within
    here, there = load_model("auto", run.folder), load_model(run.model, path)
    assert (here.input_size, here.preset.mean, here.preset.std) == (
        there.input_size,
        there.preset.mean,
        there.preset.std,
    )
    assert there.origin.label.endswith("net.safetensors")


def test_half_precision_is_of_every_number_with_a_point(run: Run, tmp_path: Path) -> None:
    whole = export_run(run.folder, tmp_path / "whole.safetensors")
    half = export_run(run.folder, tmp_path / "half.safetensors", half=True)
    before, after = read_tensors(whole)[0], read_tensors(half)[0]
    assert list(before) == list(after)
    for name, tensor in before.items():
        assert after[name].dtype == (torch.float16 if tensor.is_floating_point() else tensor.dtype), name
    assert half.stat().st_size < whole.stat().st_size


def test_batch_norms_are_folded_where_the_network_can_do_without(run: Run, tmp_path: Path) -> None:
    tensors, facts = read_tensors(export_run(run.folder, tmp_path / "net.safetensors"))
    catalogued = ":" not in run.model
    assert facts["trained"]["folded"] == catalogued
    assert any("running_var" in name for name in tensors) != catalogued


def test_the_file_says_what_was_trained_and_how(run: Run, tmp_path: Path) -> None:
    told = read_tensors(export_run(run.folder, tmp_path / "net.safetensors"))[1]
    record = json.loads((run.folder / RUN_FILE).read_text(encoding="utf-8"))
    for name in ("made_by", "date", "settings", "data"):
        assert told[name] == record[name]
    assert {**told["trained"], "folded": False} == record["trained"]
    assert told["epoch"] == 1
    assert told["val_top1"] == read_tensors(run.folder / BEST_FILE)[1]["val_top1"]
    assert told["settings"]["seed"] == 0


def test_the_files_command_trains_the_same_network(run: Run, tmp_path: Path) -> None:
    told = read_tensors(export_run(run.folder, tmp_path / "net.safetensors"))[1]
    program, name, *words = shlex.split(told["command"])
    assert (program, name) == ("deconvviz", "train-classifier")
    options = train_command.make_context(name, [*words, *([] if "--out" in words else ["--out", "x"])]).params
    for setting, value in told["settings"].items():
        assert options[setting] == value or setting == "precision", setting
    assert (options["data"], options["model"]) == ("dead-leaves", run.model)


def test_the_file_does_not_tell_of_the_folders_of_its_machine(tmp_path: Path) -> None:
    photos = class_folders(tmp_path / "private" / "photos", {"cat": 3, "dog": 3}, 32)
    data = open_data(str(photos), side=32, progress=False)
    built, _ = started("cifar", 2, "random", 0)
    task = {"model": "cifar", "data": str(photos), "weights": "random"}
    settings = Settings(epochs=1, batch_size=2)
    words = {"facts": {"task": task}, "progress": False}
    train_classifier("cifar", data, settings, tmp_path / "run", built=built, **words)
    told = read_tensors(export_run(tmp_path / "run", tmp_path / "net.safetensors"))[1]
    assert "private" not in json.dumps(told)
    assert told["data"]["training_images"] == 4


def test_a_value_too_large_for_half_precision_is_named_and_nothing_written(run: Run, tmp_path: Path) -> None:
    folder, out = tmp_path / "run", tmp_path / "out" / "net.safetensors"
    shutil.copytree(run.folder, folder)
    tensors, facts = read_tensors(folder / BEST_FILE)
    name = f"{leaves(load_model('auto', folder).module)[-1][0]}.bias"
    tensors[name][0] = 70_000
    save_tensors(folder / BEST_FILE, tensors, facts)
    with pytest.raises(TrainingError) as caught:
        export_run(folder, out, half=True)
    assert str(caught.value) == f"'{name}' has values that float16 cannot hold; leave --half away"
    assert not out.parent.exists()
    assert export_run(folder, out).is_file()


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("missing", r"missing is not a training run's folder"),
        ("empty", r"empty is a folder without run\.json, not a training run"),
        ("text.txt", r"text\.txt is not a training run's folder"),
        ("started", r"started has no best\.safetensors yet: its first epoch has not ended"),
        ("damaged", r"run\.json is damaged"),
        ("file.safetensors", r"file\.safetensors is not a training run's folder"),
    ],
)
def test_what_is_no_run_is_refused_in_one_line(tmp_path: Path, what: str, says: str) -> None:
    for name in ("empty", "started", "damaged"):
        (tmp_path / name).mkdir()
    (tmp_path / "text.txt").write_text("no run")
    (tmp_path / "damaged" / RUN_FILE).write_text("{")
    facts = {
        "model": "cifar",
        "input_size": 32,
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "classes": ["a"],
        "class_ids": ["a"],
        "folded": True,
    }
    (tmp_path / "started" / RUN_FILE).write_text(json.dumps({"trained": facts}))
    state = build("cifar", classes=1).module.state_dict()
    save_tensors(tmp_path / "file.safetensors", state, {"trained": facts})
    with pytest.raises(DeconvvizError, match=says) as caught:
        export_run(tmp_path / what, tmp_path / "out.safetensors")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.safetensors").exists()
