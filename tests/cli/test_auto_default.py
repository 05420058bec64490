"""Without ``--model``: what the weights belong to, else AlexNet, else `mini`. No test reaches the network."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NoReturn
from urllib.error import URLError

import pytest
import torch
from PIL import Image
from torchvision.models import AlexNet_Weights

from deconvviz.data.dead_leaves import CLASSES
from deconvviz.models.building import build

from .support import complaint, facts, invoke, refused

CPU = ("--device", "cpu")


@pytest.fixture(autouse=True)
def checkpoints(tmp_path_factory, monkeypatch):
    """An empty cache of torch's own kind, and no server that answers."""

    def fail(*_: Any, **__: Any) -> NoReturn:
        raise URLError("no network in a test")

    home = tmp_path_factory.mktemp("torch")
    monkeypatch.setenv("TORCH_HOME", str(home))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr("torch.hub.urlopen", fail)
    monkeypatch.setattr("deconvviz.models.auto.answers", lambda *_: False)
    return home / "hub" / "checkpoints"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of one epoch: `cifar` on dead leaves."""
    folder = tmp_path_factory.mktemp("runs") / "leaves"
    words = ["--data", "dead-leaves", "--train-per-class", "4", "--val-per-class", "2", "--batch-size", "8"]
    words += [
        "--model",
        "cifar",
        "--epochs",
        "1",
        "--lr",
        "0.001",
        "--precision",
        "float32",
        "--out",
        folder,
        *CPU,
    ]
    invoke("train-classifier", *words, "--quiet").ok()
    return folder


@pytest.mark.parametrize(
    ("words", "figure"),
    [
        (["project", "cat.png", "--layer", "conv5"], "cat_conv5.png"),
        (["maps", "cat.png", "--layer", "conv5"], "cat_conv5_maps.png"),
        (["filters", "--layer", "conv1"], "mini_conv1_filters.png"),
        (["predict", "cat.png"], "cat_predictions.png"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
@pytest.mark.parametrize("quiet", [False, True], ids=["", "quiet"])
def test_mini_serves_where_alexnet_cannot_be_had(folder, words, figure, quiet):
    done = invoke(*words, *CPU, *(["--quiet"] if quiet else []))
    assert done.code == 0
    assert done.out.splitlines()[-2:] == [figure, figure.replace(".png", ".json")]
    said = facts(folder / figure)
    assert (said["model"], said["input_size"]) == ("mini", 64)
    assert said["weights"]["label"] == "mini.safetensors"
    with Image.open(figure) as drawn:
        assert json.loads(drawn.text["Description"])["model"] == "mini"
    if quiet:
        assert done.err == ""
    else:
        (line,) = done.err.splitlines()
        assert line.startswith("note: AlexNet's ImageNet weights are neither cached nor ")
        assert "'mini'" in line


def test_layers_are_those_of_mini(folder):
    done = invoke("layers", "--json")
    assert done.code == 0
    assert "'mini'" in done.err
    told = json.loads(done.out)
    assert (told["model"], told["input_size"]) == ("mini", 64)
    assert [row["name"] for row in told["layers"] if row["name"]][-4:] == ["pool5", "fc6", "fc7", "fc8"]


@pytest.mark.parametrize("command", ["project", "filters"])
def test_alexnet_by_name_is_alexnet_or_nothing(folder, command):
    words = ["cat.png"] if command == "project" else []
    words += ["--layer", "conv5", "--model", "alexnet", *CPU]
    said = refused(*words, "--quiet", command=command)
    assert said.startswith("cannot download the weights of alexnet (no network in a test)")
    assert AlexNet_Weights.DEFAULT.url in said


def test_mini_by_name_needs_no_note(folder):
    invoke("filters", "--layer", "conv1", "--model", "mini", *CPU).ok()


def test_alexnet_where_its_weights_are_cached(folder, checkpoints):
    with torch.device("meta"):
        shapes = build("alexnet").module.features.state_dict()
    checkpoints.mkdir(parents=True)
    path = checkpoints / AlexNet_Weights.DEFAULT.url.rpartition("/")[2]
    torch.save({f"features.{name}": torch.ones(t.shape) / 2 for name, t in shapes.items()}, path)
    done = invoke("filters", "--layer", "conv1", *CPU).ok()
    assert done.out.split() == ["alexnet_conv1_filters.png", "alexnet_conv1_filters.json"]
    said = facts(folder / "alexnet_conv1_filters.png")["weights"]
    assert said == {"label": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_random_weights_are_alexnets(folder):
    done = invoke("filters", "--layer", "conv1", "--weights", "random", *CPU)
    assert (done.code, len(done.err.splitlines())) == (0, 1)
    assert done.err.startswith("note: alexnet has random weights")


@pytest.mark.parametrize("model", [[], ["--model", "auto"], ["--model", "cifar"]], ids=" ".join)
def test_a_run_says_itself_what_it_is(folder, run, model):
    words = ["--weights", run, *model, *CPU]
    wanted = {
        "cat_conv3_2.png": ["project", "cat.png", "--layer", "conv3_2", "--topk", "2"],
        "cat_conv2_1_maps.png": ["maps", "cat.png", "--layer", "conv2_1", "--topk", "2"],
        "cifar_conv1_1_filters.png": ["filters", "--layer", "conv1_1"],
        "cat_predictions.png": ["predict", "cat.png"],
    }
    for figure, command in wanted.items():
        done = invoke(*command, *words)
        assert (done.code, done.err) == (0, ""), done
        assert done.out.splitlines()[-2:] == [figure, figure.replace(".png", ".json")]
        said = facts(folder / figure)
        assert (said["model"], said["input_size"]) == ("cifar", 32)
        assert said["weights"]["label"] == "leaves/best.safetensors"
        assert said["weights"]["file"] == str(run)
        digest = hashlib.sha256((run / "best.safetensors").read_bytes()).hexdigest()
        assert said["weights"]["sha256"] == digest


def test_the_layers_of_a_run_have_as_many_units_as_it_has_classes(folder, run):
    done = invoke("layers", "--weights", run, "--json")
    assert (done.code, done.err) == (0, "")
    told = json.loads(done.out)
    assert (told["model"], told["input_size"]) == ("cifar", 32)
    assert told["layers"][-1]["name"] == "fc5"
    assert told["layers"][-1]["units"] == len(CLASSES)


def test_a_run_predicts_its_own_classes(folder, run):
    done = invoke("predict", "cat.png", "--weights", run, "--topk", "12", "--json", *CPU)
    (row,) = json.loads(done.out)
    assert sorted(p["name"] for p in row["predictions"]) == sorted(CLASSES)
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    words = ["--data", "dead-leaves", "--train-per-class", "4", "--val-per-class", "2", "--weights", run]
    done = invoke("predict", *words, "--json", "--quiet", *CPU)
    assert json.loads(done.out) == pytest.approx(metrics, rel=1e-4)


@pytest.mark.parametrize("command", ["project", "maps", "filters", "layers", "predict"])
def test_a_run_of_another_network_is_refused(folder, run, command):
    words = ["cat.png"] if command in ("project", "maps", "predict") else []
    words += ["--layer", "conv1_1"] if command in ("project", "maps", "filters") else []
    said = refused(*words, "--weights", run, "--model", "mini", command=command)
    assert said.endswith(" was trained as cifar, not mini; leave --model away")
    assert said.startswith("leaves")


def test_a_run_in_the_current_folder(folder, run, monkeypatch):
    monkeypatch.chdir(run)
    invoke("filters", "--layer", "conv1_1", "--weights", ".", "--out", f"{folder}/", *CPU).ok()
    label = facts(folder / "cifar_conv1_1_filters.png")["weights"]["label"]
    assert label == "leaves/best.safetensors"


@pytest.mark.parametrize("half", [[], ["--half"]], ids=["whole", "half"])
def test_an_exported_run_serves_as_the_run_does(folder, run, half):
    done = invoke("export", run, *half).ok()
    assert done.out == "leaves.safetensors\n"
    (run_row,), (row,) = (
        json.loads(invoke("predict", "cat.png", "--weights", weights, "--json", *CPU).out)
        for weights in (run, "leaves.safetensors")
    )
    assert {p["name"] for p in row["predictions"]} <= set(CLASSES)
    chances = [[p["probability"] for p in found["predictions"]] for found in (run_row, row)]
    assert max(chances[0]) < 0.9  # a run that is sure of everything would be told from any other by nothing
    assert chances[1] == pytest.approx(chances[0], rel=0.02 if half else 1e-4)
    invoke("project", "cat.png", "--layer", "conv3_2", "--weights", "leaves.safetensors", *CPU).ok()
    assert facts(folder / "cat_conv3_2.png")["weights"]["label"] == "leaves.safetensors"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["nowhere"], 1, "nowhere is not a training run's folder"),
        (["."], 1, ". is a folder without run.json, not a training run"),
        (["cat.png"], 1, "cat.png is not a training run's folder"),
        (["nowhere", "--out", "net.pth"], 2, "weights are written as a .safetensors file"),
        ([], 2, "Missing argument 'RUN'"),
    ],
)
def test_what_cannot_be_exported(folder, words, code, says):
    assert says in refused(*words, command="export", code=code)


def test_an_exported_file_is_no_run(folder, run):
    invoke("export", run, "--out", "net.safetensors").ok()
    said = complaint(invoke("export", "net.safetensors", "--out", "again.safetensors"))
    assert said == "net.safetensors is not a training run's folder"


def test_a_file_of_an_unknown_network_is_refused(folder):
    torch.save({"stem.weight": torch.zeros(3)}, "strange.pth")
    said = refused("cat.png", "--layer", "conv5", "--weights", "strange.pth")
    assert said.startswith("strange.pth fits none of the networks that go by a name")
