"""Two processes that torchrun starts train the decoders that one does with the same global batch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ..cli.support import invoke
from ..training.support import CLASSES, history, tensors

LAYERS = ("conv2", "fc3")
WORDS = ["train-decoder", "--layer", "conv2", "--layer", "fc3", "--model", "encoders:plain"]
WORDS += ["--weights", "random", "--data", "dead-leaves", "--only", CLASSES[0], "--only", CLASSES[1]]
WORDS += [
    "--train-per-class",
    "8",
    "--val-per-class",
    "5",
    "--width",
    "8",
    "--up-widths",
    "8,8",
    "--epochs",
    "3",
]
WORDS += ["--fc-width", "16", "--lr", "0.003", "--precision", "float32", "--device", "cpu"]


def torchrun(folder, *words):
    """The command in two processes: exit code, stdout and stderr of both."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.run(
        [*launcher, "-m", "deconvviz_cli", *WORDS, *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folders of a run of one process and of a run of two, and what the two left on the terminal."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copy(Path(__file__).with_name("encoders.py"), folder)
    words = ("--batch-size", "4")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", sys.path.copy())
        patch.delitem(sys.modules, "encoders", raising=False)
        invoke(*WORDS, *words, "--quiet", "--out", "one").ok()
    return folder / "one", folder / "two", torchrun(folder, *words, "--out", "two")


@pytest.mark.parametrize("layer", LAYERS)
def test_two_processes_train_as_one(runs, layer):
    one, two, done = runs
    assert done.returncode == 0, done.stderr
    assert len(history(two / layer)) == 3
    for row, expected in zip(history(two / layer), history(one / layer), strict=True):
        for name, value in expected.items():
            assert float(row[name]) == pytest.approx(float(value), abs=1e-4), name
    for name in ("best", "last"):
        found = tensors(two / layer / f"{name}.safetensors")
        expected = tensors(one / layer / f"{name}.safetensors")
        assert found.keys() == expected.keys()
        for key, tensor in expected.items():
            torch.testing.assert_close(found[key], tensor, rtol=1e-3, atol=1e-4)


def test_only_one_of_them_writes_and_speaks(runs):
    one, two, done = runs
    files = [sorted(str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()) for run in (one, two)]
    assert files[0] == files[1]
    printed = done.stdout.splitlines()
    assert len(set(printed)) == len(printed) > 6
    assert all((two.parent / path).is_file() for path in printed)
    assert done.stderr.count("conv2, the last 3 epochs:") == 1
    assert done.stderr.count("note: encoders:plain has random weights") == 1


def test_torch_has_nothing_to_warn_of(runs):
    said = runs[2].stderr.splitlines()
    assert [line for line in said if "Warning" in line] == []
