"""Two processes that torchrun starts do what one does with the same global batch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from deconvviz.errors import TrainingError
from deconvviz.training.processes import Processes, joined

from ..cli.support import invoke
from .support import CLASSES, history, tensors

WORDS = ["train-classifier", "--model", "learners:small", "--data", "dead-leaves", "--device", "cpu"]
WORDS += ["--only", CLASSES[0], "--only", CLASSES[1], "--train-per-class", "16", "--val-per-class", "5"]
WORDS += ["--precision", "float32", "--epochs", "3", "--lr", "0.03"]
CPU = torch.device("cpu")


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
    shutil.copy(Path(__file__).with_name("learners.py"), folder)
    words = ("--batch-size", "8", "--snapshots")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", sys.path.copy())
        patch.delitem(sys.modules, "learners", raising=False)
        invoke(*WORDS, *words, "--quiet", "--out", "one").ok()
    return folder / "one", folder / "two", torchrun(folder, *words, "--out", "two")


def test_two_processes_train_as_one(runs):
    one, two, done = runs
    assert done.returncode == 0, done.stderr
    assert len(history(two)) == 3
    for row, expected in zip(history(two), history(one), strict=True):
        for name, value in expected.items():
            assert float(row[name]) == pytest.approx(float(value), abs=1e-4), name
    for name in ("best", "last"):
        found = tensors(two / f"{name}.safetensors")
        expected = tensors(one / f"{name}.safetensors")
        assert found.keys() == expected.keys()
        for key, tensor in expected.items():
            torch.testing.assert_close(found[key], tensor, rtol=1e-3, atol=1e-4)


def test_only_one_of_them_writes_and_speaks(runs):
    one, two, done = runs
    files = [sorted(str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()) for run in (one, two)]
    assert files[0] == files[1]
    printed = done.stdout.splitlines()
    assert len(set(printed)) == len(printed) > 3
    assert all((two.parent / path).is_file() for path in printed)
    assert done.stderr.count("done: best epoch") == 1


def test_torch_has_nothing_to_warn_of(runs):
    said = runs[2].stderr.splitlines()
    assert [line for line in said if "Warning" in line] == []


def lines_of(done):
    """What deconvviz itself said, in all processes together."""
    assert "deconvviz/" not in done.stderr  # a traceback of ours
    return [line for line in done.stderr.splitlines() if "deconvviz: " in line]


def test_a_batch_that_cannot_be_divided(folder):
    done = torchrun(folder, "--batch-size", "9", "--out", "run")
    assert done.returncode == 1
    (line,) = lines_of(done)
    assert line.endswith("--batch-size 9 cannot be divided among 2 processes; try 8")
    assert not (folder / "run").exists()


def test_a_mistake_that_the_first_process_finds(folder):
    done = torchrun(folder, "--data", "no-such-folder", "--out", "run")
    assert done.returncode == 1
    (line,) = lines_of(done)
    assert "no data set 'no-such-folder'" in line


@pytest.mark.parametrize(("batch", "count"), [(8, 1), (8, 2), (9, 3), (12, 4)])
def test_shares_are_the_whole_batch(batch, count):
    shares = [Processes(rank, count, CPU).share(batch) for rank in range(count)]
    assert [i for share in shares for i in range(batch)[share]] == list(range(batch))
    assert len({share.stop - share.start for share in shares}) == 1


@pytest.mark.parametrize(("batch", "count", "tried"), [(9, 2, 8), (3, 4, 4), (7, 3, 6)])
def test_an_uneven_batch_is_refused(batch, count, tried):
    with pytest.raises(TrainingError, match=rf"cannot be divided among {count} processes; try {tried}$"):
        Processes(0, count, CPU).share(batch)


def test_a_process_alone(monkeypatch):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with joined(CPU) as processes:
        assert (processes.rank, processes.count, processes.first, processes.first_here) == (0, 1, True, True)
        processes.wait()
        assert processes.summed(torch.ones(2)).tolist() == [1, 1]
    assert not torch.distributed.is_initialized()
