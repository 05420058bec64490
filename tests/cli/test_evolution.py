"""``deconvviz evolution``: what it writes, that it is the library's, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from deconvviz import evolution as evolved
from deconvviz import open_data, settling, snapshots_of

from ..data.support import class_folders
from .support import MODEL, arrays, complaint, facts, invoke

PLACE = ("--device", "cpu", "--quiet")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a run of two snapshots in it, and the photographs that it was trained on."""
    place = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        shutil.copy(__file__.replace("test_evolution", "mynets"), place)
        class_folders(place / "photos", {"black cats": 7, "dogs": 7}, side=32)
        patch.chdir(place)
        patch.setattr(sys, "path", sys.path.copy())
        patch.delitem(sys.modules, "mynets", raising=False)
        words = ["--data", "photos", "--epochs", "2", "--batch-size", "4", "--lr", "0.01", "--snapshots"]
        invoke("train-classifier", *words, *MODEL, "--seed", "3", "--out", "runs/tiny").ok()
        sys.modules.pop("mynets", None)
    return place


@pytest.fixture
def run(folder, made):
    """The same in the current folder."""
    shutil.copytree(made, folder, dirs_exist_ok=True)
    return folder / "runs" / "tiny"


def evolution(*words):
    return invoke("evolution", "runs/tiny", *words, *PLACE).ok()


def refused(*words, run="runs/tiny", code=1):
    return complaint(invoke("evolution", run, *words, *PLACE), code)


def test_arrays_and_manifest_are_what_the_library_finds(run):
    done = evolution("--layer", "conv2", "--units", "4,1", "--units", "0,4", "--arrays", "--within", "60")
    stem = "tiny_conv2_evolution"
    names = [f"{stem}.png", f"{stem}.npz", f"{stem}.json", "tiny_settling.png", "tiny_settling.json"]
    assert done.out.splitlines() == names
    data = open_data("photos", seed=3, side=32, progress=False)
    expected = evolved(snapshots_of(run), data.train, ["conv2"], [4, 1, 0], progress=False)["conv2"]
    found, told = arrays(run.parents[1] / f"{stem}.npz"), facts(run.parents[1] / f"{stem}.png")
    assert found["epoch"].tolist() == [1, 2]
    assert found["channel"].tolist() == [4, 1, 0]
    for e, stage in enumerate(expected.stages):
        np.testing.assert_array_equal(found["pixels"][e], stage.pixels)
        np.testing.assert_array_equal(found["picture"][e], stage.pictures)
        np.testing.assert_array_equal(found["activation"][e], stage.activations)
        np.testing.assert_array_equal(found["window"][e], stage.windows)
        assert list(zip(found["row"][e].tolist(), found["column"][e].tolist(), strict=True)) == list(
            stage.places
        )
        assert found["image"][e].tolist() == [data.train.names[row] for row in stage.rows]
        assert found["dead"][e] == told["dead_units"][e] == stage.dead
        for k, unit in enumerate(told["units"]):
            row = unit["epochs"][e]
            assert row["activation"] == pytest.approx(stage.activations[k].item())
            assert (row["epoch"], row["image"]) == (stage.epoch, data.train.names[stage.rows[k]])
            assert row["image_class"] == data.titles[data.train.labels[stage.rows[k]]]
            assert ((row["row"], row["column"]), row["window"]) == (
                stage.places[k],
                stage.windows[k].tolist(),
            )
            assert row["dead"] == (stage.activations[k].item() <= 0)
    assert [unit["channel"] for unit in told["units"]] == [4, 1, 0]
    assert (told["layer"], told["module"], told["model"]) == ("conv2", "5", "mynets:tiny")
    assert (told["chosen_by"], told["engine"], told["rule"]) == ("units", "mirror", "deconvnet")
    assert told["images_looked_at"] == told["data"]["training_images"] == len(data.train) == 12
    for snapshot, row in zip(snapshots_of("runs/tiny"), told["snapshots"], strict=True):
        sha256 = hashlib.sha256(snapshot.path.read_bytes()).hexdigest()
        assert row == {
            "epoch": snapshot.epoch,
            "file": str(snapshot.path),
            "sha256": sha256,
            "val_top1": snapshot.accuracy,
        }
    with Image.open(f"{stem}.png") as figure:
        assert json.loads(figure.text["Description"])["layer"] == "conv2"
    as_the_library_settles(facts(run.parents[1] / "tiny_settling.png"), settling(snapshots_of(run)))


def as_the_library_settles(told, expected):
    assert told["within"] == 60
    assert [row["layer"] for row in told["layers"]] == ["conv1", "conv2", "fc3", "fc4"]
    for i, row in enumerate(told["layers"]):
        assert row["settled_at_epoch"] == expected.settled(60)[i] == 1
        for name in ("angle", "cosine", "relative"):
            assert row["to_last"][name] == pytest.approx(expected.to_last[name][i].tolist(), abs=1e-6)
            assert row["to_the_one_before"][name] == pytest.approx(
                expected.between[name][i].tolist(), abs=1e-6
            )


def test_several_layers_and_drawn_units(run):
    words = ("--seed", "5", "--rule", "guided", "--images", "3", "--out", "all/")
    done = evolution("--layer", "fc3", "--layer", "conv1", *words)
    stems = ["tiny_fc3_evolution", "tiny_conv1_evolution", "tiny_settling"]
    assert [str(p) for p in done.paths] == [f"all/{s}.{end}" for s in stems for end in ("png", "json")]
    vector, maps = (facts(run.parents[1] / "all" / f"{stem}.png") for stem in stems[:2])
    assert vector["units"][0]["epochs"][0]["row"] is None
    assert (maps["chosen_by"], maps["seed"], maps["rule"]) == ("drawn", 5, "guided")
    assert (maps["images_looked_at"], maps["data"]["training_images"]) == (3, 12)
    assert len(maps["units"]) == 6
    assert maps["units_of_layer"] == 12


def test_each_writes_the_tiles(run):
    done = evolution("--units", "2", "--units", "3", "--each", "--out", "seen/")  # of the last maps, conv2
    told = facts(done.paths[0])
    alive = [(u["channel"], e["epoch"]) for u in told["units"] for e in u["epochs"] if not e["dead"]]
    wanted = {
        f"seen/conv2/unit_{unit:04d}_epoch_{epoch:04d}_{what}.png"
        for unit, epoch in alive
        for what in ("patch", "projection")
    }
    assert {str(path) for path in done.paths if path.parent.name == "conv2"} == wanted
    assert wanted


def test_a_file_is_named(run):
    done = evolution("--layer", "conv1", "--units", "0", "--out", "new/mine.svg")
    names = ["mine.svg", "mine.json", "mine_settling.svg", "mine_settling.json"]
    assert [str(path) for path in done.paths] == [f"new/{name}" for name in names]


def test_one_snapshot_alone_and_images_that_were_added(run):
    (run / "snapshots" / "epoch_0002.safetensors").unlink()
    class_folders(run.parents[1] / "photos", {"black cats": 9, "dogs": 9}, side=32)
    done = invoke("evolution", "runs/tiny", "--layer", "conv1", "--units", "0", *PLACE[:2])
    assert done.code == 0
    assert [path.name for path in done.paths] == ["tiny_conv1_evolution.png", "tiny_conv1_evolution.json"]
    assert "note: runs/tiny was trained on 12 images; there are 16 now" in done.err
    last = done.err.splitlines()[-1]
    assert last.startswith("note: runs/tiny has one snapshot, that of epoch 1: it takes two")


def test_images_that_moved(run):
    data = open_data("photos", seed=3, side=32, progress=False)
    expected = evolved(snapshots_of(run), data.train, ["conv1"], [0, 1], progress=False)["conv1"]
    (run.parents[1] / "photos").rename(run.parents[1] / "elsewhere")
    said = refused("--layer", "conv1")
    assert said.startswith("the images of runs/tiny are not in photos any more")
    assert "--data-root FOLDER, or --data" in said
    said = refused("--layer", "conv1", "--data", "nowhere")
    assert said.startswith("the images of runs/tiny cannot be opened: no data set 'nowhere'")
    assert "--data-root" in said
    done = evolution("--layer", "conv1", "--units", "0,1", "--arrays", "--data", "elsewhere")
    found = arrays(done.paths[1])
    for e, stage in enumerate(expected.stages):
        np.testing.assert_array_equal(found["pixels"][e], stage.pixels)
        assert found["image"][e].tolist() == [data.train.names[row] for row in stage.rows]


def _cut(run):
    path = run / "snapshots" / "epoch_0002.safetensors"
    path.write_bytes(path.read_bytes()[:-9])


def _no_snapshots(run):
    shutil.rmtree(run / "snapshots")
    text = (run / "run.json").read_text()
    (run / "run.json").write_text(text.replace('"snapshots": true', '"snapshots": false'))


def _from_python(run):
    content = json.loads((run / "run.json").read_text())
    del content["task"]
    (run / "run.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_no_snapshots, "runs/tiny kept no snapshots; train with train-classifier --snapshots"),
        (lambda run: shutil.rmtree(run / "snapshots"), "runs/tiny has no snapshot yet"),
        (_cut, "epoch_0002.safetensors is damaged or no snapshot"),
        (_from_python, "runs/tiny was trained from Python and does not say how its images are opened"),
        (lambda run: shutil.rmtree(run), "runs/tiny is not there"),
    ],
)
def test_runs_that_cannot_be_shown(run, damage, says):
    damage(run)
    assert says in refused("--layer", "conv1")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--layer", "conv3"], "no layer 'conv3'; did you mean 'conv"),
        (["--layer", "conv2", "--units", "1,6"], "no unit 6 in conv2: it has 6 units, 0 to 5"),
        (["--layer", "conv2", "--device", "abacus"], "cannot compute on 'abacus'"),
        (["--layer", "conv2", "--units", "0", "--out", "cat.png/seen"], "cannot write cat.png/seen"),
    ],
)
def test_what_was_asked_for_is_not_there(run, words, says):
    assert says in complaint(invoke("evolution", "runs/tiny", "--quiet", *words), 1)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--units", "1,x"], "--units 1,x: give units' numbers such as 3,7,12"),
        (["--units", "-1"], "give units' numbers"),
        (["--images", "0"], "--images"),
        (["--within", "0"], "--within"),
        (["--layer", "conv1", "--layer", "conv2", "--out", "one.png"], "one file for 2 figures"),
        (["--out", "seen.bmp"], ".png, .svg, .pdf"),
        (["--augment"], "--augment"),
    ],
)
def test_wrong_usage(run, words, says):
    said = refused(*words, code=2)
    assert says in said
    assert said.endswith("(see 'deconvviz evolution --help')")


def test_a_network_with_branches_and_its_class_scores(folder):
    class_folders(folder / "photos", {"cats": 4, "dogs": 4}, side=32)
    words = ["--data", "photos", "--epochs", "1", "--batch-size", "3", "--snapshots", "--out", "run"]
    invoke("train-classifier", *words, "--model", "mynets:Residual", *PLACE).ok()
    words = ("--layer", "conv", "--layer", "scores", "--units", "1,0", "--arrays")
    done = invoke("evolution", "run", *words, *PLACE).ok()
    assert facts(done.paths[0])["engine"] == "autograd"
    assert [unit["class"] for unit in facts(done.paths[3])["units"]] == ["dogs", "cats"]
    found = arrays(done.paths[1])
    assert (np.abs(found["pixels"]).sum((2, 3, 4)) > 0).tolist() == (found["activation"] > 0).tolist()
    assert torch.from_numpy(found["activation"]).isfinite().all()
