"""``deconvviz train-classifier``: class folders in, a run out that every other command can open up."""

from __future__ import annotations

import csv
import errno
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from deconvviz import load_model

from ..data.support import class_folders, zipped
from .support import MODEL, arrays, complaint, invoke, refused, save_weights

COMMAND = "train-classifier"
RECIPE = ("--epochs", "2", "--batch-size", "4", "--lr", "0.01")
WORDS = (COMMAND, "--data", "photos", *RECIPE, *MODEL)
LOUD = [word for word in WORDS if word != "--quiet"]


@pytest.fixture
def photos(folder):
    """The current folder, with class folders in it."""
    class_folders(folder / "photos", {"black cats": 8, "dogs": 8, "Möwen": 8}, side=32)
    return folder


def record(run="run"):
    return json.loads((Path(run) / "run.json").read_text(encoding="utf-8"))


def rows(run="run"):
    with (Path(run) / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_from_folders_to_a_projection(photos):
    done = invoke(*WORDS, "--out", "runs/first").ok()
    names = "best.safetensors confusion.npz confusion.png curves.png history.csv metrics.json run.json"
    assert sorted(path.name for path in done.paths) == names.split()
    assert {path.parent for path in done.paths} == {Path("runs/first")}
    left = {path.name for path in Path("runs/first").iterdir()}
    assert left == {*names.split(), "last.safetensors"}
    assert [row["epoch"] for row in rows("runs/first")] == ["1", "2"]
    content = record("runs/first")
    assert content["trained"]["classes"] == ["Möwen", "black cats", "dogs"]
    assert content["data"]["training_images"] == 21
    assert content["data"]["validation_images"] == 3
    metrics = json.loads(Path("runs/first/metrics.json").read_text())
    assert metrics["images"] == 3
    assert metrics["top1"] == pytest.approx(
        max(float(row["val_top1"]) for row in rows("runs/first")), abs=1e-5
    )
    assert arrays(Path("runs/first/confusion.npz"))["confusion"].sum() == 3
    for name in ("curves.png", "confusion.png"):
        with Image.open(Path("runs/first") / name) as figure:
            figure.load()
    network = load_model("auto", "runs/first")
    assert network.categories == ("Möwen", "black cats", "dogs")
    assert network.name == "mynets:tiny"
    shown = invoke("project", "cat.png", "--weights", "runs/first", "--layer", "conv2", "--quiet").ok()
    assert [path.name for path in shown.paths] == ["cat_conv2.png", "cat_conv2.json"]


def test_a_zip_trains_as_its_folder(photos):
    zipped(photos / "photos", photos / "photos.zip", "inside")
    invoke(*WORDS, "--out", "one").ok()
    invoke(*WORDS, "--data", "photos.zip", "--out", "two").ok()
    one, two = (load_file(Path(run) / "best.safetensors") for run in ("one", "two"))
    assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())


def test_what_was_drawn_is_said(photos):
    done = invoke(*LOUD, "--classes", "2", "--seed", "3", "--out", "run")
    assert done.code == 0
    drawn = record()["trained"]["classes"]
    assert len(drawn) == 2
    assert f"note: drew 2 classes (--seed 3): {', '.join(drawn)}\n" in done.err
    assert "done: best epoch " in done.err
    assert "validation images" in done.err.splitlines()[-1]
    assert all("note" not in line for line in done.out.splitlines())


def test_only_some_classes_in_their_order(photos):
    invoke(*WORDS, "--only", "dogs", "--only", "Möwen", "--out", "run").ok()
    assert record()["trained"]["classes"] == ["dogs", "Möwen"]
    assert load_file("run/best.safetensors")["10.weight"].shape == (2, 20)


def test_so_many_for_validation_and_training(photos):
    invoke(*WORDS, "--val-per-class", "2", "--train-per-class", "3", "--out", "run").ok()
    assert record()["data"]["training_images"] == 9
    assert record()["data"]["validation_images"] == 6
    assert arrays(Path("run/confusion.npz"))["confusion"].sum(1).tolist() == [2, 2, 2]


def test_pictures_that_cannot_be_read_are_named_and_counted(photos):
    for name in ("dogs/00.png", "dogs/01.png"):
        (photos / "photos" / name).write_text("<html>not found</html>\n")
    done = invoke(*LOUD, "--out", "run")
    assert done.code == 0
    assert "note: skipped: dogs/00.png is not a picture" in done.err
    assert "note: 2 images could not be read and are left out\n" in done.err
    assert record()["data"]["skipped"] == 2


def test_a_new_top_on_the_weights_of_a_run(photos):
    invoke(*WORDS, "--out", "first").ok()
    words = ("--weights", "first", "--only", "dogs", "--only", "Möwen", "--out", "second")
    done = invoke(*LOUD, *words, "--lr", "1e-12")
    assert done.code == 0
    assert "note: took 6 of 8 tensors from best.safetensors; fresh: 10.weight, 10.bias\n" in done.err
    before, after = (load_file(f"{run}/best.safetensors") for run in ("first", "second"))
    torch.testing.assert_close(after["0.weight"], before["0.weight"])
    assert after["10.weight"].shape == (2, 20)


def test_a_frozen_beginning_stays(photos):
    save_weights(Path("mine.pth"))
    invoke(*WORDS, "--weights", "mine.pth", "--freeze", "0", "--out", "run").ok()
    given, found = torch.load("mine.pth", weights_only=True), load_file("run/best.safetensors")
    assert torch.equal(found["0.weight"], given["0.weight"])
    assert not torch.equal(found["4.weight"], given["4.weight"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--data", "no/such/folder"], "no data set 'no/such/folder'; there are: tiny-imagenet, cifar10"),
        (["--data", "dead-leafs"], "no data set 'dead-leafs'; did you mean 'dead-leaves'?"),
        (["--data", "cat.png"], "cat.png is damaged or not a zip archive"),
        (["--data", "photos/dogs"], "photos/dogs has no class folders"),
        (["--only", "dog", "--only", "Möwen"], "photos has no class 'dog'; did you mean 'dogs'?"),
        (["--only", "dogs"], "photos has one class only ('dogs')"),
        (["--classes", "4"], "--classes 4: this data set has 3 classes"),
        (["--val-per-class", "8"], "class 'Möwen' has 8 images: too few to hold out 8 and train"),
        (["--batch-size", "30"], "--batch-size 30 is larger than the 21 training images"),
        (["--freeze", "feature"], "--freeze feature: the network has no such part; it has 0, 1, 2"),
        (["--freeze", "4"], "--freeze 4: it is not the beginning of the network"),
        (["--weights", "none.pth"], "none.pth does not exist"),
        (["--weights", "photos"], "photos is a folder without run.json, not a training run"),
        (["--weights", "other.pth"], "other.pth is of another network: nothing in it fits mynets:tiny"),
        (["--weights", "default"], "mynets:tiny has no published weights"),
        (["--model", "alexnot"], "no model 'alexnot'; did you mean 'alexnet'?"),
        (["--model", "mynets:none"], "'mynets' has no function 'none'"),
        (["--model", "mynets:small"], "mynets:small cannot be given 3 classes: its last layer '3' is a ReLU"),
        (["--input-size", "20"], "the network does not take 20x20 images"),
        (["--crop-size", "20"], "the network does not take 20x20 images"),
        (["--device", "abacus"], "cannot compute on 'abacus'"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_file(photos, words, says):
    torch.save({"stem.weight": torch.zeros(3)}, "other.pth")
    assert refused(*WORDS[1:], *words, "--out", "run", command=COMMAND).startswith(says)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--classes", "2", "--only", "dogs"], "--classes draws classes and --only names them"),
        (["--epochs", "0"], "'--epochs'"),
        (["--batch-size", "1"], "'--batch-size'"),
        (["--lr", "-1"], "'--lr'"),
        (["--crop", "resize"], "'--crop'"),
        (["--precision", "fp16"], "'--precision'"),
        (["cat.png"], "unexpected extra argument"),
    ],
)
def test_wrong_usage(photos, words, says):
    assert says in refused(*WORDS[1:], *words, "--out", "run", command=COMMAND, code=2)


def test_where_the_run_goes_must_be_said(photos):
    said = refused("--data", "photos", *MODEL, command=COMMAND, code=2)
    assert "Missing option '--out'" in said


@pytest.mark.parametrize("content", [None, "text"])
def test_a_class_folder_without_pictures(photos, content):
    (photos / "photos" / "owls").mkdir()
    if content:
        (photos / "photos" / "owls" / "readme.txt").write_text("not yet\n")
    said = refused(*WORDS[1:], "--out", "run", command=COMMAND)
    assert said == "photos has no training image of class 'owls'"


def test_a_run_in_the_place_of_a_file(photos):
    said = refused(*WORDS[1:], "--out", "cat.png", command=COMMAND)
    assert "cat.png" in said
    assert "run.json is damaged" not in said


def test_without_tensorboard(photos, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    said = refused(*WORDS[1:], "--tensorboard", "--out", "run", command=COMMAND)
    assert said == "--tensorboard wants the package tensorboard: pip install 'deconvviz[tensorboard]'"


def test_with_tensorboard(photos, monkeypatch):
    told = []

    class Writer:
        def __init__(self, folder):
            told.append(folder)
            Path(folder).mkdir()
            Path(folder, "events").touch()

        def add_scalar(self, name, value, epoch):
            assert np.isfinite(value)
            told.append((name, epoch))

        def flush(self):
            told.append("flushed")

        def close(self):
            told.append("closed")

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Writer))
    invoke(*WORDS, "--tensorboard", "--out", "run").ok()
    names = [name for name in rows()[0] if name != "epoch"]
    epochs = [[*((name, epoch) for name in names), "flushed"] for epoch in (1, 2)]
    assert told == [str(Path("run/tensorboard")), *epochs[0], *epochs[1], "closed"]
    assert Path("run/tensorboard/events").exists()  # not thrown away with what an earlier run left


@pytest.mark.parametrize("content", ["{", "{}", '{"settings": {}}'])
def test_a_damaged_record_can_be_thrown_away(photos, content):
    Path("run").mkdir()
    Path("run/run.json").write_text(content)
    assert "--overwrite" in complaint(invoke(*WORDS, "--resume", "--out", "run"))
    invoke(*WORDS, "--overwrite", "--out", "run").ok()
    assert len(rows()) == 2


def interrupted(error, epoch):
    """A `Trainer.epoch` that fails in this epoch."""
    from deconvviz.training.trainer import Trainer

    original = Trainer.epoch

    def run(trainer, number, advance):
        if number == epoch:
            raise error
        return original(trainer, number, advance)

    return run


def test_interrupted_by_the_user(photos, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("deconvviz.training.trainer.Trainer.epoch", interrupted(KeyboardInterrupt(), 2))
        done = invoke(*WORDS, "--out", "run")
    assert done.code == 130
    assert done.err.strip().startswith("deconvviz: interrupted; ")
    assert "--resume" in done.err
    assert len(rows()) == 1
    invoke(*WORDS, "--resume", "--out", "run").ok()
    assert len(rows()) == 2


def test_a_full_disk_leaves_the_epoch_before(photos, monkeypatch):
    from safetensors.torch import save_file

    def full(tensors, path, metadata):
        if len(list(Path("run").glob("[!.]*"))) >= 4:  # in the second epoch
            Path(path).write_bytes(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")
        save_file(tensors, path, metadata)

    with monkeypatch.context() as patch:
        patch.setattr("safetensors.torch.save_file", full)
        said = complaint(invoke(*WORDS, "--out", "run"))
    assert "No space left on device" in said
    assert len(rows()) == 1
    assert not list(Path("run").glob(".*"))
    invoke(*WORDS, "--resume", "--out", "run").ok()
    assert len(rows()) == 2
