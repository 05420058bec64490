"""The snapshots of a run: which there are, what they hold, and what is no run."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from deconvviz import load_model
from deconvviz.errors import TrainingError
from deconvviz.training.classifier import train_classifier
from deconvviz.training.snapshots import run_record, snapshots_of

from .support import colours, history, quick, tensors


@pytest.fixture
def run(folder):
    """Two epochs of `small`, each with a snapshot."""
    settings = quick(epochs=2, snapshots=True)
    train_classifier("learners:small", colours(), settings, folder / "run", progress=False)
    return folder / "run"


def test_each_is_the_network_after_its_epoch(run):
    found = snapshots_of(run)
    assert [snapshot.epoch for snapshot in found] == [1, 2]
    assert [snapshot.path.name for snapshot in found] == ["epoch_0001.safetensors", "epoch_0002.safetensors"]
    for snapshot, row in zip(found, history(run), strict=True):
        assert snapshot.accuracy == pytest.approx(float(row["val_top1"]), abs=1e-6)
        network, written = snapshot.network(), tensors(snapshot.path)
        assert network.categories == ("red", "blue")
        assert not network.module.training
        assert all(torch.equal(t, written[name]) for name, t in network.module.state_dict().items())
    one, two = (tensors(snapshot.path)["top.2.weight"] for snapshot in found)
    assert not torch.equal(one, two)
    last = {n.removeprefix("model."): t for n, t in tensors(run / "last.safetensors").items()}
    assert torch.equal(two, last["top.2.weight"])


def test_they_come_by_epoch_and_nothing_else_counts(run):
    second = run / "snapshots" / "epoch_0002.safetensors"
    shutil.copy(second, run / "snapshots" / "epoch_12000.safetensors")
    shutil.copy(second, run / "snapshots" / "epoch_9000.safetensors")
    (run / "snapshots" / ".epoch_0005.x1.safetensors").write_bytes(b"half")  # a killed run leaves such
    (run / "snapshots" / "notes.txt").write_text("mine")
    assert [snapshot.epoch for snapshot in snapshots_of(str(run))] == [1, 2, 9000, 12000]


def test_a_snapshot_serves_as_weights(run):
    path = run / "snapshots" / "epoch_0001.safetensors"
    assert load_model("auto", path).name == run_record(run)["trained"]["model"] == "learners:small"


def _without_snapshots(run):
    (run / "run.json").write_text(
        (run / "run.json").read_text().replace('"snapshots": true', '"snapshots": 0')
    )
    shutil.rmtree(run / "snapshots")


def _cut(run):
    path = run / "snapshots" / "epoch_0002.safetensors"
    path.write_bytes(path.read_bytes()[:-50])


def _plain(run):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, run / "snapshots" / "epoch_0002.safetensors")


def _other(run):
    text = (run / "run.json").read_text()
    (run / "run.json").write_text(text.replace('"blue"', '"green"'))


def _decoder(run):
    (run / "run.json").write_text(json.dumps({"settings": {}, "data": {}}))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_without_snapshots, "run kept no snapshots; train with train-classifier --snapshots"),
        (
            lambda run: shutil.rmtree(run / "snapshots"),
            "run has no snapshot yet, the first is that of epoch 1",
        ),
        (lambda run: shutil.rmtree(run), "run is not there; name the folder of a train-classifier run"),
        (lambda run: (run / "run.json").unlink(), "run is no folder with a run.json in it"),
        (lambda run: (run / "run.json").write_text("{"), "run.json is damaged"),
        (lambda run: (run / "run.json").write_text("[]"), "run.json is damaged"),
        (_decoder, "run is not the run of a classifier"),
        (_cut, "epoch_0002.safetensors is damaged or no snapshot"),
        (_plain, "epoch_0002.safetensors is damaged or no snapshot"),
        (_other, "epoch_0001.safetensors is a snapshot of another run"),
    ],
)
def test_what_cannot_be_read(run, damage, says):
    damage(run)
    with pytest.raises(TrainingError) as error:
        snapshots_of(run)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_is_no_run(run):
    with pytest.raises(TrainingError, match=r"no folder with a run\.json"):
        snapshots_of(run / "run.json")
