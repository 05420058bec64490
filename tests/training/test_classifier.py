"""A training run from beginning to end, what it leaves, and what stops it."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from deconvviz.errors import OutputError, TrainingError
from deconvviz.training.classifier import train_classifier
from deconvviz.training.evaluation import evaluate
from deconvviz.training.history import best_epoch, out_of_patience
from deconvviz.training.trainer import autocast, resolved_precision

from .support import ALONE, built, colours, history, leaves, quick, same, tensors, trainer

COLUMNS = (
    *("epoch", "train_loss", "train_accuracy", "val_loss", "val_top1", "val_top5"),
    *("lr", "images_per_second", "seconds"),
)


def train(out, settings=None, net="small", data=None, **options):
    words = {"progress": False, **options}
    return train_classifier(
        f"learners:{net}", data or colours(), settings or quick(), out, built=built(net), **words
    )


def stopped(out, *words, **options) -> str:
    with pytest.raises(TrainingError) as caught:
        train(out, *words, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_run_learns(tmp_path):
    found = train(tmp_path, quick(epochs=6, lr=0.01), data=leaves())
    losses = [row["train_loss"] for row in found.rows]
    assert losses[-1] < 0.6 * losses[0]
    assert found.evaluation.top1 > 0.8
    assert found.evaluation.images == 16
    assert not found.stopped_early


@pytest.mark.parametrize(
    "settings", [{}, {"optimiser": "adamw"}, {"schedule": "constant"}, {"precision": "bf16"}]
)
def test_the_history_is_complete(tmp_path, settings):
    told = []
    found = train(tmp_path / "run", quick(crop="resized", flip=True, **settings), after_epoch=told.append)
    assert told == found.rows
    assert [row["epoch"] for row in found.rows] == [1, 2, 3]
    for row in found.rows:
        assert tuple(row) == COLUMNS
        assert all(np.isfinite(value) for value in row.values())
        assert row["images_per_second"] > 0
        assert row["seconds"] > 0
        assert row["val_top1"] <= row["val_top5"] == 1  # of two classes
    lines = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    for line, row in zip(lines[1:], found.rows, strict=True):
        assert [float(word) for word in line.split(",")] == pytest.approx(list(row.values()), rel=1e-5)


def test_the_run_says_what_was_trained(tmp_path):
    settings = quick(seed=3)
    train(tmp_path / "run", settings, facts={"task": {"data": "colours"}})
    content = json.loads((tmp_path / "run" / "run.json").read_text())
    assert content["settings"] == settings.as_dict()
    assert content["task"] == {"data": "colours"}
    assert content["data"] == {"source": "colours"}
    assert content["trained"] == {
        "model": "learners:small",
        "input_size": 16,
        "mean": [0.5, 0.4, 0.3],
        "std": [0.25, 0.2, 0.3],
        "classes": ["red", "blue"],
        "class_ids": ["n0", "n1"],
        "folded": False,
    }
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "best.safetensors",
        "history.csv",
        "last.safetensors",
        "run.json",
    ]


def test_best_is_the_best_epoch(tmp_path):
    kept = {}

    def keep(row):
        kept[row["epoch"]] = tensors(tmp_path / "last.safetensors")

    # two steps an epoch: from the fifth epoch on it takes red for blue
    found = train(tmp_path, quick(epochs=6, schedule="constant"), net="forgetting", after_epoch=keep)
    best = best_epoch(found.rows)
    assert best["epoch"] < 5
    assert found.rows[-1]["val_top1"] < 0.5 < best["val_top1"] == max(row["val_top1"] for row in found.rows)
    last = kept[best["epoch"]]
    weights = tensors(tmp_path / "best.safetensors")
    assert all(torch.equal(tensor, last[f"model.{name}"]) for name, tensor in weights.items())
    assert not same(kept[6], last)


def test_the_outcome_is_that_of_the_best_weights(tmp_path):
    found = train(tmp_path, quick(epochs=4, lr=0.05), data=leaves(16))
    best = best_epoch(found.rows)
    assert found.evaluation.top1 == best["val_top1"]
    assert found.evaluation.loss == pytest.approx(best["val_loss"])
    assert found.evaluation.confusion.sum(1).tolist() == [8, 8]


@pytest.mark.parametrize(
    ("accuracies", "best", "out"),
    [([0.5], 1, False), ([0.5, 0.5], 1, False), ([0.5, 0.6, 0.6, 0.4], 2, True), ([0.7, 0.1, 0.8], 3, False)],
)
def test_patience_counts_from_the_first_of_the_best(accuracies, best, out):
    rows = [{"epoch": i, "val_top1": accuracy} for i, accuracy in enumerate(accuracies, 1)]
    assert best_epoch(rows)["epoch"] == best
    assert out_of_patience(rows, 2) is out
    assert not out_of_patience(rows, None)
    assert not out_of_patience([], 1)


def test_a_run_out_of_patience_stops(tmp_path):
    found = train(tmp_path, quick(epochs=9, lr=1e-12, patience=2))  # nothing changes
    assert [row["epoch"] for row in found.rows] == [1, 2, 3]
    assert found.stopped_early
    again = train(tmp_path, quick(epochs=9, lr=1e-12, patience=2), resume=True)
    assert again.rows == found.rows
    assert again.stopped_early


def test_snapshots(tmp_path):
    kept = {}

    def keep(row):
        kept[row["epoch"]] = tensors(tmp_path / "last.safetensors")

    train(tmp_path, quick(epochs=6, snapshots=True), after_epoch=keep)
    files = sorted((tmp_path / "snapshots").iterdir())
    assert [path.name for path in files] == [f"epoch_000{n}.safetensors" for n in (1, 2, 5)]
    for path, number in zip(files, (1, 2, 5), strict=True):
        found = tensors(path)
        assert found.keys() == tensors(tmp_path / "best.safetensors").keys()
        assert all(torch.equal(tensor, kept[number][f"model.{name}"]) for name, tensor in found.items())


@pytest.mark.parametrize(("net", "place"), [("turning", "in epoch 2"), ("turning_when_evaluated", "epoch 2")])
def test_a_loss_that_is_no_number_stops_the_run(tmp_path, net, place):
    # the ninth step, from which on they give NaN, is the first of the second epoch
    settings = quick(epochs=4, batch_size=2, schedule="constant")
    message = stopped(tmp_path, settings, net=net)
    assert message.startswith("the loss is nan")
    assert place in message
    assert "--lr" in message
    assert [row["epoch"] for row in history(tmp_path)] == ["1"]
    train(tmp_path / "whole", replace(settings, epochs=1), net=net)
    for name in ("best.safetensors", "last.safetensors"):  # a constant rate: the same first epoch
        assert same(tensors(tmp_path / name), tensors(tmp_path / "whole" / name))


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_rate_far_too_high_leaves_no_weights_that_are_no_numbers(tmp_path, epochs):
    assert stopped(tmp_path / "run", quick(epochs=epochs, lr=1e30, batch_size=16)).startswith("the loss is ")
    for path in (tmp_path / "run").glob("*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in tensors(path).values()), path.name


def test_a_batch_larger_than_the_data(tmp_path):
    said = stopped(tmp_path / "run", quick(batch_size=17))
    assert said == "--batch-size 17 is larger than the 16 training images"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("net", "says"), [("wrong_scores", "the network gives (2, 2, 14, 14) for 2 images, not (2, 2) scores")]
)
def test_a_network_that_gives_no_scores(tmp_path, net, says):
    assert stopped(tmp_path / "run", net=net) == says
    assert not (tmp_path / "run").exists()


def test_a_network_that_does_not_take_the_images(tmp_path):
    assert stopped(tmp_path / "run", input_size=20).startswith("the network does not take 20x20 images")
    assert stopped(tmp_path / "run", quick(crop_size=20)).startswith("the network does not take 20x20 images")
    assert not (tmp_path / "run").exists()


def test_the_callers_random_state_is_left_alone(tmp_path):
    torchs, numpys, pythons = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    train(tmp_path, quick(crop="resized", flip=True))
    assert torch.equal(torch.get_rng_state(), torchs)
    assert (np.random.get_state()[1] == numpys).all()
    assert random.getstate() == pythons


def test_a_run_depends_on_its_seed_and_not_on_the_callers(tmp_path):
    def run(name, seed, callers):
        torch.manual_seed(callers)
        train(tmp_path / name, quick(crop="resized", flip=True, seed=seed))
        return tensors(tmp_path / name / "last.safetensors")

    first = run("a", 0, 1)
    assert same(run("b", 0, 2), first)
    assert not same(run("c", 1, 1), first)


def test_images_that_could_not_be_read_are_not_trained_on():
    data = colours()
    data = replace(data, train=replace(data.train, rows=data.train.rows[3:]))
    made = trainer(built(), data, quick(batch_size=4))
    assert made.steps == 3
    orders = [made._train.order(0, epoch) for epoch in range(5)]
    assert {row for order in orders for row in order} == set(range(3, 16))


def test_a_new_run_in_the_same_folder_leaves_nothing_of_the_old_one(tmp_path):
    train(tmp_path / "run", quick(epochs=5, snapshots=True))
    (tmp_path / "run" / "metrics.json").write_text("{}")
    (tmp_path / "run" / "curves.png").write_bytes(b"old")
    train(tmp_path / "run", quick(epochs=1))
    assert len(history(tmp_path / "run")) == 1
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left == {"best.safetensors", "history.csv", "last.safetensors", "run.json"}


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        train(tmp_path / "file" / "run")


def test_evaluation_against_plain_counting():
    class Fixed(nn.Module):
        def forward(self, scores):
            return scores

    scores = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    labels = np.arange(40) % 8
    rows = np.arange(3, 40)
    found = evaluate(
        Fixed(),
        scores,
        labels,
        rows,
        ALONE,
        lambda v: v,
        8,
        cast=lambda: autocast("float32", ALONE.device),
        batch_size=7,
    )
    order = (-scores[rows]).argsort(1)
    truth = labels[rows]
    logs = scores[rows] - np.log(np.exp(scores[rows]).sum(1, keepdims=True))
    confusion = np.zeros((8, 8), int)
    for t, guess in zip(truth, order[:, 0], strict=True):
        confusion[t, guess] += 1
    assert found.images == 37
    assert found.top1 == pytest.approx((order[:, 0] == truth).mean())
    assert found.top5 == pytest.approx((order[:, :5] == truth[:, None]).any(1).mean())
    assert found.loss == pytest.approx(-logs[np.arange(37), truth].mean(), rel=1e-5)
    assert (found.confusion == confusion).all()


def test_auto_precision_is_one_that_the_device_has():
    assert resolved_precision("auto", ALONE.device) in ("bf16", "float32")
    assert resolved_precision("float32", ALONE.device) == "float32"
    assert resolved_precision("bf16", ALONE.device) == "bf16"
