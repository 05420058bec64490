"""``deconvviz predict``: what a network takes pictures for, and how often it is right."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deconvviz import load_model, read_image

from .support import MODEL, facts, invoke, refused, save_weights, write_photo


def predict(*words):
    return invoke("predict", *words, *MODEL).ok()


def rows(*words):
    """The JSON of a call."""
    done = invoke("predict", "--json", *words, *MODEL)
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


def softmax(photo):
    """The probability of every class, most probable first."""
    network = load_model("mynets:tiny")
    with torch.inference_mode():
        found = network.module(read_image(photo, network))[0].double().softmax(0)
    order = found.argsort(descending=True).tolist()
    return order, found[order].tolist()


def written(folder):
    return {path.name for path in folder.iterdir()} - {"cat.png", "mynets.py", "__pycache__"}


def class_folders(folder, counts):
    """Pictures in folders that are named after classes of the network."""
    for seed, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            write_photo(folder / name / f"{i}.png", 100 * seed + i, 32)
    return folder


def test_a_table_and_a_figure(folder):
    write_photo(folder / "longer_name.png", seed=5)
    done = invoke("predict", "cat.png", "longer_name.png", *MODEL)
    assert (done.code, done.err) == (0, "")
    *table, figure, manifest = done.out.splitlines()
    assert (figure, manifest) == ("pictures_predictions.png", "pictures_predictions.json")
    assert len(table) == 2 * 5
    for lines, photo in ((table[:5], "cat.png"), (table[5:], "longer_name.png")):
        order, chances = softmax(photo)
        assert [line.split()[0] == photo for line in lines] == [True, False, False, False, False]
        for line, number, chance in zip(lines, order, chances, strict=False):
            assert line.endswith(f"{100 * chance:5.1f} %  class {number}")
            assert line.index("%") == table[0].index("%")
    with Image.open(figure) as drawn:
        assert np.asarray(drawn.convert("L")).std() > 1
    assert facts(folder / figure)["model"] == "mynets:tiny"


def test_one_picture_names_its_figure(folder):
    done = invoke("predict", "cat.png", *MODEL)
    assert done.out.splitlines()[-2:] == ["cat_predictions.png", "cat_predictions.json"]
    (row,) = facts(folder / "cat_predictions.png")["images"]
    assert row["sha256"] == hashlib.sha256((folder / "cat.png").read_bytes()).hexdigest()
    with Image.open("cat_predictions.png") as figure:
        assert json.loads(figure.text["Description"])["model"] == "mynets:tiny"


def test_json(folder):
    write_photo(folder / "größe 猫.png", seed=2)
    found = rows("cat.png", "größe 猫.png")
    assert [row["image"] for row in found] == ["cat.png", "größe 猫.png"]
    for row in found:
        assert list(row) == ["image", "sha256", "truth", "predictions"]
        assert row["truth"] is None
        order, chances = softmax(row["image"])
        assert [list(p) for p in row["predictions"]] == [["class", "name", "probability"]] * 5
        assert [p["class"] for p in row["predictions"]] == order[:5]
        assert [p["name"] for p in row["predictions"]] == [f"class {c}" for c in order[:5]]
        np.testing.assert_allclose([p["probability"] for p in row["predictions"]], chances[:5], rtol=1e-5)
    assert written(folder) == {"größe 猫.png"}  # nothing is drawn


def test_json_draws_where_a_place_is_named(folder):
    found = rows("cat.png", "--out", "new/figure.svg")
    assert len(found) == 1
    assert (folder / "new" / "figure.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert facts(folder / "new" / "figure.svg")["images"] == found


@pytest.mark.parametrize(("topk", "count"), [("1", 1), ("3", 3), ("10", 10), ("99", 10)])
def test_topk(folder, topk, count):
    (row,) = rows("cat.png", "--topk", topk)
    assert [p["class"] for p in row["predictions"]] == softmax("cat.png")[0][:count]
    if count == 10:
        assert sum(p["probability"] for p in row["predictions"]) == pytest.approx(1, abs=1e-5)


def test_the_folders_name_is_the_truth_where_it_is_a_class(folder, monkeypatch):
    class_folders(folder, {"class 3": 1, "elsewhere": 1})
    known, unknown = rows("class 3/0.png", "elsewhere/0.png", "--topk", "10")
    assert (known["truth"], unknown["truth"]) == ("class 3", None)
    done = invoke("predict", "class 3/0.png", "elsewhere/0.png", "--topk", "10", *MODEL)
    marked = [line for line in done.out.splitlines() if line.endswith("(true)")]
    assert len(marked) == 1
    assert marked[0].endswith("%  class 3  (true)")
    monkeypatch.chdir("class 3")
    (folder / "mynets.py").rename("mynets.py")
    assert rows("0.png")[0]["truth"] == "class 3"


def test_a_corrupt_picture_among_several(folder):
    (folder / "text.jpg").write_text("<html>")
    write_photo(folder / "dog.png", seed=1)
    words = ["predict", "cat.png", "text.jpg", "dog.png", *MODEL]
    done = invoke(*words)
    assert done.code == 1
    assert [line.split()[:2] for line in done.err.splitlines()] == [
        ["deconvviz:", "text.jpg"],
        ["deconvviz:", "1"],
    ]
    assert [line.split()[0] for line in done.out.splitlines()[:10:5]] == ["cat.png", "dog.png"]
    assert [row["image"] for row in facts(folder / "pictures_predictions.png")["images"]] == [
        "cat.png",
        "dog.png",
    ]
    done = invoke(*words, "--json")
    assert done.code == 1
    assert [row["image"] for row in json.loads(done.out)] == ["cat.png", "dog.png"]


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_corrupt_picture_alone(folder, words):
    (folder / "text.jpg").write_text("<html>")
    said = refused("text.jpg", *words, *MODEL, command="predict")
    assert said.startswith("text.jpg is not a picture")


def test_nothing_but_corrupt_pictures(folder):
    (folder / "text.jpg").write_text("<html>")
    done = invoke("predict", "text.jpg", "none.png", *MODEL, "--json")
    assert (done.code, done.out) == (1, "")
    assert len(done.err.splitlines()) == 3
    assert written(folder) == {"text.jpg"}


def test_weights_without_scores(folder):
    state = torch.load(save_weights(folder / "all.pth"), weights_only=True)
    torch.save({k: v for k, v in state.items() if k.startswith(("0.", "4."))}, "convolutions.pth")
    said = refused("cat.png", "--weights", "convolutions.pth", *MODEL, command="predict")
    assert said == "the weights convolutions.pth serve conv1 to pool2, not mynets:tiny's class scores"


def test_a_network_without_class_names(folder):
    said = refused("cat.png", "--model", "mynets:small", "--quiet", command="predict")
    assert said.startswith("mynets:small gives (1, 5, 30, 30), not (N, classes) scores")


def plainly(names, folder):
    """Picture by picture over a folder of class folders."""
    network = load_model("mynets:tiny")
    first = within_five = loss = 0.0
    paths = [path for name in names for path in sorted((folder / name).iterdir())]
    for path in paths:
        truth = network.categories.index(path.parent.name)
        with torch.inference_mode():
            scores = network.module(read_image(path, network))
        order = scores[0].argsort(descending=True).tolist()
        first, within_five = first + (order[0] == truth), within_five + (truth in order[:5])
        loss += float(torch.nn.functional.cross_entropy(scores, torch.tensor([truth])))
    count = len(paths)
    return {"top1": first / count, "top5": within_five / count, "loss": loss / count, "images": count}


def test_a_data_set_as_json(folder):
    order = softmax("cat.png")[0]
    names = [f"class {c}" for c in (order[0], order[2], order[9])]
    class_folders(folder / "photos" / "train", dict.fromkeys(names, 1))
    class_folders(folder / "photos" / "val", dict.fromkeys(names, 3))
    found = rows("--data", "photos")
    assert list(found) == ["top1", "top5", "loss", "images"]
    assert found == pytest.approx(plainly(names, folder / "photos" / "val"), rel=1e-4)
    assert written(folder) == {"photos"}  # nothing is drawn
    few = rows("--data", "photos", "--only", names[2], "--only", names[0])
    wanted = plainly([names[0], names[2]], folder / "photos" / "val")
    assert few == pytest.approx(wanted, rel=1e-4)


def test_a_data_set_as_a_table_and_a_figure(folder):
    class_folders(folder / "photos", {"class 3": 3, "class 7": 3})
    done = invoke("predict", "--data", "photos/", "--out", "drawn/", *MODEL)
    assert (done.code, done.err) == (0, "")
    *table, figure, manifest = done.out.splitlines()
    assert [line.split()[0] for line in table] == ["top1", "top5", "loss", "images"]
    assert (figure, manifest) == ("drawn/predictions_photos.png", "drawn/predictions_photos.json")
    said = facts(Path(figure))
    shown = [f"{said[name]:.4f}" for name in ("top1", "top5", "loss")]
    assert [line.split()[1] for line in table] == [*shown, "2"]
    assert said["images"] == 2
    assert said["model"] == "mynets:tiny"
    assert "photos" in json.dumps(said["data"])
    with Image.open(figure) as drawn:
        assert np.asarray(drawn.convert("L")).std() > 1


def test_a_data_set_of_other_classes(folder):
    class_folders(folder / "photos", {"class 3": 3, "weasel": 3})
    said = refused("--data", "photos", *MODEL, command="predict")
    assert said.startswith("mynets:tiny has no class 'weasel'; there are: class 0, class 1")


def test_a_data_set_that_is_not_there(folder):
    said = refused("--data", "nowhere", *MODEL, command="predict")
    assert said.startswith("no data set 'nowhere'; there are: tiny-imagenet, cifar10, dead-leaves")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name at least one image"),
        (["cat.png", "--sample"], "not both"),
        (["cat.png", "--data", "photos"], "name images or --data, not both"),
        (["--sample", "--data", "photos"], "name images or --data, not both"),
        (["cat.png", "--only", "class 3"], "choose from --data: name it"),
        (["cat.png", "--classes", "2"], "choose from --data: name it"),
        (["cat.png", "--val-per-class", "2"], "choose from --data: name it"),
        (["cat.png", "--train-per-class", "2"], "choose from --data: name it"),
        (["cat.png", "--data-root", "photos"], "choose from --data: name it"),
        (["--only", "class 3"], "choose from --data: name it"),
        (["--data", "photos", "--classes", "2", "--only", "class 3"], "give one or the other"),
        (["cat.png", "--topk", "0"], "--topk"),
        (["cat.png", "--out", "figure.bmp"], ".png, .svg, .pdf"),
        (["--data", "photos", "--out", "figure.bmp"], ".png, .svg, .pdf"),
    ],
)
def test_wrong_usage(folder, words, says):
    said = refused(*words, *MODEL, command="predict", code=2)
    assert says in said
    assert said.endswith("(see 'deconvviz predict --help')")


def test_the_photograph_that_ships_with_matplotlib(folder):
    assert [Path(row["image"]).name for row in rows("--sample")] == ["grace_hopper.jpg"]


def test_a_runs_own_data_are_split_as_the_run_split_them(folder):
    class_folders(folder / "photos", {"a": 6, "b": 6, "c": 6})
    words = [
        "--data",
        "photos",
        "--model",
        "cifar",
        "--epochs",
        "1",
        "--batch-size",
        "4",
        "--precision",
        "float32",
    ]
    split = ["--val-per-class", "2", "--seed", "3", "--only", "a", "--only", "c"]
    invoke("train-classifier", *words, *split, "--out", "run", "--quiet").ok()
    of_run = json.loads(Path("run/metrics.json").read_text())
    own = ["predict", "--json", "--data", "photos", "--weights", "run"]
    again = json.loads(invoke(*own).out)
    assert again["images"] == of_run["images"] == 4
    own[3] = f"{folder}/photos/"  # the same folder, spelt otherwise
    assert json.loads(invoke(*own).out) == again
    own[3] = "photos"
    assert again["loss"] == pytest.approx(of_run["loss"], rel=1e-4)
    assert json.loads(invoke(*own, "--val-per-class", "3").out)["images"] == 6
    class_folders(folder / "others", {"a": 10, "c": 10})
    own[3] = "others"  # not what was trained on: split as any data set is
    assert json.loads(invoke(*own).out)["images"] == 2
