"""``deconvviz train-decoder`` and ``recipes``: a folder a layer, and one line for every mistake."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from deconvviz import load_model
from deconvviz.decoders.decoder import load_decoder
from deconvviz.decoders.encoding import Encoder
from deconvviz.decoders.recipes import recipe

from ..data.support import class_folders
from .support import MODEL, complaint, invoke, refused, save_weights

COMMAND = "train-decoder"
THIN = ("--width", "8", "--up-widths", "8,8,8,8", "--fc-width", "16", "--batch-size", "4", "--epochs", "2")
WORDS = (COMMAND, "--data", "photos", *THIN, "--weights", "random", *MODEL)
LOUD = [word for word in WORDS if word != "--quiet"]
LEFT = "best.safetensors curves.png history.csv last_epochs.csv metrics.json reconstructions_training.png "
LEFT += "reconstructions_validation.png run.json"


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Class folders, made once."""
    return class_folders(tmp_path_factory.mktemp("drawn") / "photos", {"cats": 7, "dogs": 7}, side=16)


@pytest.fixture
def photos(folder, drawn):
    """The current folder, with class folders in it."""
    shutil.copytree(drawn, folder / "photos")
    return folder


def record(layer, run="run"):
    return json.loads((Path(run) / layer / "run.json").read_text(encoding="utf-8"))


def rows(layer, run="run", name="history.csv"):
    with (Path(run) / layer / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_from_folders_to_decoders(photos):
    done = invoke(*LOUD, "--layer", "pool2", "--layer", "fc3", "--epochs", "4")
    assert done.code == 0, done.err
    home = Path("decoders/mynets.tiny")
    wanted = [home / layer / name for layer in ("pool2", "fc3") for name in LEFT.split()]
    assert sorted(done.paths) == sorted(wanted)
    assert all(path.is_file() for path in done.paths)
    left = {path for path in home.rglob("*") if path.is_file()}
    assert left == {*wanted, *(home / layer / "last.safetensors" for layer in ("pool2", "fc3"))}
    encoder = Encoder(load_model("mynets:tiny", "random"), ["pool2", "fc3"])
    for layer in ("pool2", "fc3"):
        history = rows(layer, home)
        assert [row["epoch"] for row in history] == ["1", "2", "3", "4"]
        table = rows(layer, home, "last_epochs.csv")
        assert [row["epoch"] for row in table] == ["2", "3", "4"]
        assert f"{layer}, the last 3 epochs:" in done.err
        for row, full in zip(table, history[1:], strict=True):
            assert float(row["val_error"]) == pytest.approx(float(full["val_error"]), rel=1e-3)
            assert row["val_error"] in done.err
        content = record(layer, home)
        assert content["task"]["recipe"] == "best"
        assert content["settings"]["family"] == recipe("best").family
        assert content["task"]["model"] == content["decoder"]["model"] == "mynets:tiny"
        assert content["data"]["data"] == content["task"]["data"] == "photos"
        assert (content["data"]["training_images"], content["data"]["validation_images"]) == (12, 2)
        assert content["decoder"]["layer"] == layer
        metrics = json.loads((home / layer / "metrics.json").read_text())
        best = min(history, key=lambda row: float(row["val_error"]))
        assert (metrics["layer"], str(metrics["epoch"])) == (layer, best["epoch"])
        assert metrics["val_psnr"] == pytest.approx(float(best["val_psnr"]), rel=1e-3)
        decoder = load_decoder(home / layer)
        decoder.check(encoder)
        assert metrics["parameters"] == sum(p.numel() for p in decoder.module.parameters())
        for name in LEFT.split():
            if name.endswith(".png"):
                with Image.open(home / layer / name) as figure:
                    figure.load()
    assert "note: mynets:tiny has random weights" in done.err


def test_an_output_folder_and_quiet(photos):
    done = invoke(*WORDS, "--layer", "fc4", "--out", "a/run").ok()
    assert {path.parent for path in done.paths} == {Path("a/run/fc4")}
    assert not Path("decoders").exists()


def test_the_recipes_layers_and_fields_are_taken(photos):
    Path("mine.toml").write_text('layers = ["conv2"]\nepochs = 1\nwidth = 6\nseed = 5\nflip = true\n')
    words = [word for word in WORDS if word not in ("--width", "--epochs")]
    words = (COMMAND, "--data", "photos", "--up-widths", "6,6", "--batch-size", "4", "--weights", "random")
    invoke(*words, *MODEL, "--recipe", "mine.toml", "--out", "run").ok()
    settings = record("conv2")["settings"]
    assert (settings["epochs"], settings["width"], settings["up_widths"]) == (1, 6, [6, 6])
    assert (settings["seed"], settings["flip"], settings["name"]) == (5, True, "mine")
    load_decoder("run/conv2").check(Encoder(load_model("mynets:tiny", "random", seed=5), ["conv2"]))
    invoke(*words, *MODEL, "--recipe", "mine.toml", "--out", "other", "--seed", "0").ok()
    assert record("conv2", "other")["settings"]["seed"] == 0


def test_options_override_and_tables_by_layer(photos):
    words = ("--layer", "pool2", "--layer", "fc3", "--epochs", "pool2=2,other=1", "--recipe", "paper")
    invoke(*WORDS, *words, "--no-keep", "--up-convolutions", "pool2=1,other=2", "--out", "run").ok()
    assert [len(rows(layer)) for layer in ("pool2", "fc3")] == [2, 1]
    assert load_decoder("run/pool2").reconstruct(torch.zeros(1, 6, 6, 6)).shape[-1] == 12
    assert load_decoder("run/fc3").reconstruct(torch.zeros(1, 20)).shape[-1] == 16


def test_weights_of_a_file_and_test_images(photos):
    shutil.rmtree("photos")
    counts = {f"{split}/{name}": 4 for split in ("train", "val", "test") for name in ("cats", "dogs")}
    class_folders(Path("photos"), counts, side=16)
    save_weights(Path("mine.pth"))
    done = invoke(*WORDS, "--weights", "mine.pth", "--layer", "fc3", "--out", "run").ok()
    assert Path("run/fc3/reconstructions_test.png") in done.paths
    facts = load_decoder("run/fc3").facts
    assert facts.weights == str(Path("mine.pth").resolve())
    load_decoder("run/fc3").check(Encoder(load_model("mynets:tiny", "mine.pth"), ["fc3"]))


def test_only_with_a_recipe_that_draws_classes(photos):
    only = ("--only", "dogs", "--only", "cats", "--val-per-class", "1")
    invoke(*WORDS, *only, "--recipe", "half", "--layer", "fc3", "--out", "run").ok()
    assert record("fc3")["class_ids"] == ["dogs", "cats"]
    said = refused(*WORDS[1:], *only, "--classes", "2", "--layer", "fc3", command=COMMAND, code=2)
    assert "--classes draws classes and --only names them" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--layer", "pool3"], "no layer 'pool3'; did you mean 'pool2'?"),
        (["--recipe", "bets"], "no recipe 'bets'; did you mean 'best'?"),
        (["--recipe", "none.toml"], "cannot read the recipe none.toml: No such file"),
        (["--data", "dead-leafs"], "no data set 'dead-leafs'; did you mean 'dead-leaves'?"),
        (["--batch-size", "30"], "--batch-size 30 is larger than the 12 training images"),
        (["--weights", "none.pth"], "none.pth does not exist"),
        (["--model", "alexnot"], "no model 'alexnot'; did you mean 'alexnet'?"),
        (["--input-size", "20"], "mynets:tiny does not take 20x20 images"),
        (["--device", "abacus"], "cannot compute on 'abacus'"),
        (["--out", "cat.png"], "cat.png/fc3 is a file"),
        (["--resume"], "decoders/mynets.tiny holds no run to resume"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_file(photos, words, says):
    assert refused(*WORDS[1:], "--layer", "fc3", *words, command=COMMAND).startswith(says)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--up-widths", "a,b"], "'a,b' is not numbers with commas between them"),
        (["--up-widths", "8,-1"], "'8,-1' has a negative number"),
        (["--betas", "0.9"], "'0.9' has 1 numbers, not 2"),
        (["--epochs", "conv2="], "'conv2=' is neither a number nor LAYER=N,LAYER=N"),
        (["--epochs", "2,conv2=3"], "'2,conv2=3' has a number without its layer"),
        (["--epochs", "-1"], "neither a number nor"),
        (["--epochs", "fc3=2,conv9=3"], "--epochs: 'conv9' is none of the layers: fc3"),
        (["--resume", "--overwrite"], "--resume goes on with a run, --overwrite throws it away"),
        (["--width", "0"], "'--width'"),
        (["--family", "plane"], "'--family'"),
        (["--dropout", "1"], "'--dropout'"),
        (["cat.png"], "unexpected extra argument"),
    ],
)
def test_wrong_usage(photos, words, says):
    assert says in refused(*WORDS[1:], "--layer", "fc3", *words, command=COMMAND, code=2)


@pytest.mark.parametrize("words", [["--epochs", "0"], ["--epochs", "fc3=0"], ["--std", "0,1,1"]])
def test_numbers_that_make_no_sense(photos, words):
    answer = invoke(*WORDS, "--layer", "fc3", *words)
    said = complaint(answer, answer.code)
    assert "unexpected" not in said, said
    assert not Path("decoders").exists()


def test_a_share_to_hold_out_outweighs_the_recipes_number(photos):
    invoke(*WORDS, "--layer", "fc3", "--recipe", "half", "--val-share", "0.3").ok()
    content = record("fc3", "decoders/mynets.tiny")
    assert content["data"]["validation_images"] == 4  # of twice seven; the recipe would hold out fifty each
    assert content["settings"]["val_per_class"] is None


def test_a_recipe_without_layers(photos):
    Path("mine.toml").write_text("epochs = 1\n")
    said = refused(*WORDS[1:], "--recipe", "mine.toml", command=COMMAND, code=2)
    assert "this recipe names no layers: say --layer" in said


def test_the_default_recipes_layers_that_the_network_lacks(photos):
    assert refused(*WORDS[1:], command=COMMAND).startswith("no layer 'conv5'; did you mean")


def test_without_tensorboard(photos, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    said = refused(*WORDS[1:], "--layer", "fc3", "--tensorboard", command=COMMAND)
    assert said == "--tensorboard wants the package tensorboard: pip install 'deconvviz[tensorboard]'"


def test_recipes_are_listed_and_printed():
    lines = invoke("recipes").out.splitlines()
    assert [line.split()[0] for line in lines] == ["best", "paper", "half", "compact", "steps"]
    assert [line for line in lines if line.endswith(" (the default)")] == lines[:1]
    assert all(": " in line and "conv2, conv5" in line for line in lines)
    assert "\nepochs = { " in invoke("recipes", "compact").out
    assert "\n# mean is not set\n" in invoke("recipes", "paper").out
    everything = json.loads(invoke("recipes", "--json").out)
    assert list(everything) == ["best", "paper", "half", "compact", "steps"]
    assert json.loads(invoke("recipes", "half", "--json").out) == everything["half"]
    assert everything["half"]["classes"] == 20
    said = complaint(invoke("recipes", "papr"))
    assert said.startswith("no recipe 'papr'; did you mean 'paper'?")
