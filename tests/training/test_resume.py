"""A run that is killed, at any moment and often, ends with the same bits as one that is not."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors
import torch

from deconvviz.training.classifier import train_classifier

from ..cli.support import Answer, complaint, invoke
from .support import CLASSES, built, colours, history, quick, same, tensors

DATA = ["--data", "dead-leaves", "--only", CLASSES[0], "--only", CLASSES[1]]
DATA += ["--train-per-class", "12", "--val-per-class", "4"]
RECIPE = ["--model", "learners:dying", "--epochs", "6", "--batch-size", "4", "--lr", "0.03", "--snapshots"]
PLACE = ["--device", "cpu", "--quiet"]
WORDS = ["train-classifier", *DATA, *RECIPE, *PLACE]
"""Six steps an epoch."""


def start(folder, *words, die_at=""):
    """The command as a process of its own; nothing of this one's warnings or threads."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DIE_AT": die_at}
    return subprocess.Popen(
        [sys.executable, "-m", "deconvviz_cli", *WORDS, *words, "--out", "run"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process):
    """Its exit code; it has said nothing on stderr."""
    _, err = process.communicate(timeout=120)
    assert err == ""
    return process.returncode


def epochs(run):
    """How many rows the history has; none while there is no such file."""
    return len(history(run)) if (run / "history.csv").exists() else 0


def killed_after(process, run, count):
    """Kills it as soon as so many epochs are in the history."""
    until = time.monotonic() + 120
    while epochs(run) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.002)
    process.kill()
    assert ended(process) == -signal.SIGKILL


def whole(run):
    """Every file of the run can be read."""
    for path in run.glob("[!.]*.safetensors"):
        with safetensors.safe_open(path, framework="pt") as file:
            assert file.keys()
    return run


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The folder of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    shutil.copy(Path(__file__).with_name("learners.py"), folder)
    assert ended(start(folder)) == 0
    return folder / "run"


def equal(run, other):
    """Whether two finished runs are the same, but for times."""
    names = sorted(str(path.relative_to(other)) for path in other.rglob("*.safetensors"))
    assert "best.safetensors" in names
    assert "snapshots/epoch_0005.safetensors" in names
    for name in names:
        assert same(tensors(run / name), tensors(other / name)), name
    assert history(run) == history(other)
    assert {path.name for path in run.iterdir()} == {path.name for path in other.iterdir()}
    return True


def test_a_run_killed_again_and_again_ends_with_the_same_bits(folder, uninterrupted):
    run = folder / "run"
    process = start(folder)
    time.sleep(0.3)
    process.kill()  # before it has done anything
    assert ended(process) == -signal.SIGKILL
    assert not run.exists()
    assert ended(start(folder, die_at="step 3")) == -signal.SIGKILL  # in the first epoch
    assert epochs(run) == 0
    assert (run / "run.json").exists()
    # the first epoch is over, best and its snapshot are written, last is not
    assert ended(start(folder, "--resume", die_at="state 3")) == -signal.SIGKILL
    assert (whole(run) / "best.safetensors").exists()
    assert not (run / "last.safetensors").exists()
    assert ended(start(folder, "--resume", die_at="step 11")) == -signal.SIGKILL  # in the second epoch
    assert epochs(whole(run)) == 1
    killed_after(start(folder, "--resume"), run, 3)
    assert 3 <= epochs(whole(run)) < 6
    assert ended(start(folder, "--resume", die_at="step 1")) == -signal.SIGKILL
    assert ended(start(folder, "--resume")) == 0
    assert epochs(run) == 6
    assert equal(run, uninterrupted)


class Stop(Exception):  # noqa: N818
    """After the second epoch."""


RECIPES = {
    "sgd": {},
    "adamw": {"optimiser": "adamw", "lr": 0.01},
    "bf16": {"precision": "bf16"},
    "channels first": {"channels_last": False},
    "shifts in steps": {"crop": "shift", "flip": True, "schedule": "step", "step_epochs": 2},
    "smaller crops": {"crop": "resized", "crop_size": 12, "momentum": 0.0},
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_recipe_goes_on_with_the_same_bits(tmp_path, recipe):
    settings, data = quick(**{"epochs": 4, "crop": "resized", "flip": True, **recipe}), colours()
    name = "pooled" if settings.crop_size else "small"

    def train(out, **options):
        made = built(name)
        train_classifier(f"learners:{name}", data, settings, out, built=made, progress=False, **options)
        return [tensors(out / f"{kind}.safetensors") for kind in ("best", "last")]

    def stop(row):
        if row["epoch"] == 2:
            raise Stop

    expected = train(tmp_path / "whole")
    with pytest.raises(Stop):
        train(tmp_path / "cut", after_epoch=stop)
    assert len(history(tmp_path / "cut")) == 2
    torch.manual_seed(99)
    for found, wanted in zip(train(tmp_path / "cut", resume=True), expected, strict=True):
        assert same(found, wanted)
    assert history(tmp_path / "cut") == history(tmp_path / "whole")


def here(*words) -> Answer:
    """The command in this process."""
    return invoke("train-classifier", *DATA, *PLACE, "--out", "run", *words)


SHORT = ("--model", "learners:small", "--epochs", "2", "--batch-size", "8", "--lr", "0.03")


def files(run):
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.fixture
def finished(folder):
    """The folder of a run of two epochs, made in this process."""
    here(*SHORT).ok()
    return folder / "run"


@pytest.mark.parametrize(
    ("words", "differs"),
    [
        (["--lr", "0.2"], "lr 0.03 -> 0.2"),
        (["--epochs", "9", "--crop", "none"], "epochs 2 -> 9, crop resized -> none"),
        (["--train-per-class", "10"], "train-per-class 12 -> 10"),
        (["--model", "learners:dying"], "model learners:small -> learners:dying"),
        (["--input-size", "24"], "input-size None -> 24"),
        (["--no-flip"], "flip True -> False"),
        (["--seed", "1"], "seed 0 -> 1"),
        (["--weights", "other.pth"], "weights random -> other.pth"),
    ],
)
def test_other_settings_are_refused(finished, words, differs):
    before = files(finished)
    said = complaint(here(*SHORT, *words, "--resume"))
    found = re.match(r"run was started with other settings: (.*); resume without them", said)
    assert found, said
    assert sorted(found[1].split(", ")) == sorted(differs.split(", "))
    assert files(finished) == before


def test_other_classes_are_refused(finished):
    before = files(finished)
    said = complaint(here(*SHORT, "--only", "plain bars", "--resume"))
    assert said.startswith("run was started with other settings: only [")
    assert files(finished) == before


@pytest.mark.parametrize("words", [[], ["--precision", "auto"], ["--data-root", "data/"]])
def test_the_same_command_goes_on(folder, words):
    here(*SHORT, *words).ok()
    before = files(folder / "run")
    here(*SHORT, *words, "--resume").ok()
    after = files(folder / "run")
    assert after == before


def test_the_run_alone_is_enough_to_go_on(finished):
    before = files(finished)
    done = invoke("train-classifier", "--out", "run", "--resume", *PLACE).ok()
    assert all(path.is_file() for path in done.paths)
    assert files(finished) == before


def test_nothing_to_resume(folder):
    said = complaint(here(*SHORT, "--resume"))
    assert said == "run holds no run to resume; leave --resume away"
    assert not (folder / "run").exists()


def test_an_earlier_run_is_not_overwritten_unasked(finished):
    before = files(finished)
    said = complaint(here(*SHORT, "--epochs", "1"))
    assert said == "run holds a run already: go on with --resume, or throw it away with --overwrite"
    assert files(finished) == before
    here(*SHORT, "--epochs", "1", "--overwrite").ok()
    assert len(history(finished)) == 1


def test_a_mistake_while_overwriting_leaves_the_earlier_run(finished):
    before = files(finished)
    complaint(here(*SHORT, "--overwrite", "--freeze", "nothing"))
    complaint(here(*SHORT, "--overwrite", "--batch-size", "100"))
    complaint(here(*SHORT, "--overwrite", "--data", "dead-leafs"))
    assert files(finished) == before


@pytest.mark.parametrize("name", ["run.json", "last.safetensors", "best.safetensors"])
def test_a_damaged_run_is_refused(finished, name):
    path = finished / name
    path.write_bytes(path.read_bytes()[:100])
    said = complaint(here(*SHORT, "--resume"))
    assert f"run/{name} is " in said
    assert "--overwrite" in said
