"""Decoders that are killed, at any moment and often, end with the same bits as some that are not."""

from __future__ import annotations

import contextlib
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

from deconvviz.errors import TrainingError

from ..cli.support import complaint, invoke
from ..training.support import CLASSES, history, same, tensors
from .support import leaves, quick, tiny, train

DATA = ["--data", "dead-leaves", "--only", CLASSES[0], "--only", CLASSES[1]]
DATA += ["--train-per-class", "12", "--val-per-class", "4"]
THIN = ["--width", "8", "--up-widths", "8,8,8,8", "--fc-width", "16", "--batch-size", "4"]
PLACE = ["--device", "cpu", "--quiet"]
LAYERS = ("conv2", "fc3")
BOTH = ["--layer", "conv2", "--layer", "fc3"]
WORDS = ["train-decoder", *BOTH, "--model", "encoders:dying", "--weights", "random", *DATA, *THIN, *PLACE]
WORDS += ["--epochs", "conv2=6,other=4", "--no-keep", "--dropout", "0.1"]
"""Six steps an epoch; the encoder works in each."""


def start(folder, *words, die_at=""):
    """The command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "deconvviz_cli", *WORDS, *words, "--out", "run"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "DIE_AT": die_at},
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
    """How many rows each layer's history has."""
    files = [run / layer / "history.csv" for layer in LAYERS]
    return [len(history(file.parent)) if file.exists() else 0 for file in files]


def whole(run):
    """Every file of the run can be read."""
    for path in run.rglob("[!.]*.safetensors"):
        with safetensors.safe_open(path, framework="pt") as file:
            assert file.keys()
    return run


@contextlib.contextmanager
def inside(folder):
    """Commands run in this folder, with the networks in it."""
    shutil.copy(Path(__file__).with_name("encoders.py"), folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", sys.path.copy())
        patch.delitem(sys.modules, "encoders", raising=False)
        yield folder


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The folder of a run that nothing happened to."""
    with inside(tmp_path_factory.mktemp("uninterrupted")) as folder:
        words = ["encoders:plain" if word == "encoders:dying" else word for word in WORDS]
        invoke(*words, "--out", "run").ok()
    return folder / "run"


def test_decoders_killed_again_and_again_end_with_the_same_bits(folder, uninterrupted):
    run = folder / "run"
    # one layer's first epoch is kept, of the other's only the best: they go on from different epochs
    assert ended(start(folder, die_at="save 4")) == -signal.SIGKILL
    assert (whole(run) / "fc3" / "best.safetensors").exists()
    assert [(run / layer / "last.safetensors").exists() for layer in LAYERS] == [True, False]
    assert epochs(run) == [1, 0]
    process = start(folder, "--resume")
    until = time.monotonic() + 120
    while sum(epochs(run)) < 5:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.002)
    process.kill()  # at any moment
    assert ended(process) == -signal.SIGKILL
    assert 5 <= sum(epochs(whole(run))) < 10
    assert ended(start(folder, "--resume")) == 0
    assert epochs(run) == [6, 4]
    for layer in LAYERS:
        for name in ("best", "last"):
            file = f"{layer}/{name}.safetensors"
            assert same(tensors(run / file), tensors(uninterrupted / file)), file
        assert history(run / layer) == history(uninterrupted / layer)
    assert names(run) == names(uninterrupted)


def names(run):
    """Every file; what was being written when it was killed has a name with a dot before it."""
    return {str(path.relative_to(run)) for path in run.rglob("[!.]*")}


SHORT = ("--model", "encoders:plain", "--weights", "random", *DATA, *THIN, "--epochs", "2", "--lr", "0.003")


def here(*words):
    """The command in this process."""
    return invoke("train-decoder", *PLACE, "--out", "run", *words)


def files(run):
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    """The folder of two layers' decoders, made in this process."""
    with inside(tmp_path_factory.mktemp("once")) as folder:
        here(*BOTH, *SHORT).ok()
    return folder / "run"


@pytest.fixture
def finished(folder, made_once):
    """A copy of it."""
    return shutil.copytree(made_once, folder / "run")


@pytest.mark.parametrize(
    ("words", "differs"),
    [
        (["--lr", "0.2"], "lr 0.003 -> 0.2"),
        (["--epochs", "conv2=9"], "epochs 2 -> {'conv2': 9}"),
        (["--width", "9", "--no-flip"], "width 8 -> 9, flip True -> False"),
        (["--train-per-class", "10"], "train-per-class 12 -> 10"),
        (["--model", "encoders:dying"], "model encoders:plain -> encoders:dying"),
        (["--recipe", "half"], "recipe best -> half"),
        (["--seed", "1"], "seed 0 -> 1"),
        (["--weights", "other.pth"], "weights random -> other.pth"),
        (["--data", "photos"], "data dead-leaves -> photos"),
    ],
)
def test_other_settings_are_refused(finished, words, differs):
    before = files(finished)
    said = complaint(here(*BOTH, *SHORT, *words, "--resume"))
    found = re.match(r"run/conv2 was started with other settings: (.*); resume without them", said)
    assert found, said
    assert sorted(found[1].split(", ")) == sorted(differs.split(", "))
    assert files(finished) == before


@pytest.mark.parametrize(
    "words",
    [[], ["--precision", "auto"], ["--crop", "resized"], ["--recipe", "half", "--classes", "2"]],
)
def test_the_same_command_goes_on(folder, words):
    given = [*SHORT, *words]
    if "--classes" in words:
        given = [word for word in given if word not in ("--only", *CLASSES)]
    here("--layer", "fc3", *given).ok()
    before = files(folder / "run")
    here("--layer", "fc3", *given, "--resume").ok()
    assert files(folder / "run") == before


def test_the_run_alone_is_enough_to_go_on(finished):
    before = files(finished)
    done = here("--resume").ok()
    assert {path.parent.name for path in done.paths} == set(LAYERS)
    assert files(finished) == before


def test_one_layer_of_a_run_goes_on_alone(finished):
    before = files(finished)
    done = here("--layer", "fc3", "--resume").ok()
    assert {path.parent for path in done.paths} == {Path("run/fc3")}
    assert files(finished) == before


def test_layers_of_different_calls_go_on_one_by_one(folder):
    here("--layer", "fc3", *SHORT).ok()
    here("--layer", "conv2", *SHORT, "--dropout", "0.5").ok()
    said = complaint(here("--resume"))
    assert said.startswith("run/fc3 was started with other settings than run/conv2: resume them one by one")
    here("--layer", "fc3", "--resume").ok()


def test_nothing_to_resume(folder):
    said = complaint(here(*BOTH, *SHORT, "--resume"))
    assert said == "run holds no run to resume; leave --resume away"
    assert not (folder / "run").exists()


def test_earlier_decoders_are_not_overwritten_unasked(finished):
    before = files(finished)
    said = complaint(here("--layer", "conv1", *BOTH, *SHORT))
    assert said.startswith(
        "run/conv2 holds a decoder already: go on with --resume, throw it away with --over"
    )
    assert files(finished) == before
    here("--layer", "conv1", *SHORT).ok()  # another layer has room beside them
    after = files(finished)
    assert {path: after[path] for path in before} == before
    here("--layer", "fc3", *SHORT, "--epochs", "1", "--overwrite").ok()
    assert epochs(finished) == [2, 1]


def test_a_mistake_while_overwriting_leaves_the_earlier_decoders(finished):
    before = files(finished)
    complaint(here(*BOTH, *SHORT, "--overwrite", "--layer", "nothing"))
    complaint(here(*BOTH, *SHORT, "--overwrite", "--batch-size", "100"))
    complaint(here(*BOTH, *SHORT, "--overwrite", "--data", "dead-leafs"))
    assert files(finished) == before


@pytest.mark.parametrize("name", ["run.json", "last.safetensors"])
def test_a_damaged_run_is_refused(finished, name):
    path = finished / "fc3" / name
    path.write_bytes(path.read_bytes()[:100])
    before = files(finished)
    said = complaint(here("--layer", "fc3", *SHORT, "--resume"))
    assert f"run/fc3/{name} is " in said
    assert "--overwrite" in said
    assert files(finished) == before


def test_a_damaged_last_file_of_one_layer_leaves_the_other(finished):
    path = finished / "fc3" / "last.safetensors"
    path.write_bytes(b"")
    before = files(finished)
    assert "run/fc3/last.safetensors is " in complaint(here("--resume"))
    assert files(finished) == before


def test_what_a_killed_process_left_half_written_is_swept(finished):
    stray = finished / "fc3" / ".last.abcd.safetensors"
    stray.write_bytes(b"half")
    here("--resume").ok()
    assert not stray.exists()


def test_from_python_too_other_settings_and_other_weights_are_refused(tmp_path):
    data, out = leaves(), tmp_path
    train(out, data, quick(), ["fc3"])
    with pytest.raises(TrainingError, match=r"with other settings: lr 0.002 -> 0.1; resume with the same"):
        train(out, data, quick(lr=0.1), ["fc3"], resume=True)
    with pytest.raises(TrainingError, match=r"was started on other weights of .*--weights"):
        train(out, data, quick(), ["fc3"], resume=True, network=tiny(seed=1))
    (outcome,) = train(out, data, quick(), ["fc3"], resume=True).values()
    assert len(outcome.rows) == 2
