"""``deconvviz atlas figure``: its figure and manifest, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deconvviz.atlas.atlas import open_atlas

from .support import MODEL, complaint, facts, invoke, refused, save_weights, write_photo

PHOTOS = 7


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a user's networks, photographs in two classes, and atlases of them."""
    folder = tmp_path_factory.mktemp("scanned")
    shutil.copy(Path(__file__).with_name("mynets.py"), folder)
    for i in range(PHOTOS):
        place = folder / "photos" / ("cats" if i % 2 else "dogs") / f"it's <{i}>.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        write_photo(place, seed=i)
    layers = [word for name in ("conv1", "conv2", "fc3", "fc4") for word in ("--layer", name)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        invoke("atlas", "scan", "photos", *layers, "--topk", "3", "--out", "ATLAS", *MODEL).ok()
        words = ("photos", "--layer", "3", "--topk", "2", "--out", "HALF", "--model", "mynets:half_dead")
        invoke("atlas", "scan", *words, "--device", "cpu", "--quiet").ok()
    return folder


@pytest.fixture
def atlas(scanned: Path, folder: Path) -> Path:
    """The command's folder, with copies of the atlases and of the photographs in it."""
    for name in ("ATLAS", "HALF", "photos"):
        shutil.copytree(scanned / name, folder / name)
    return folder


def figure(*words: str | Path, folder: str = "ATLAS"):
    return invoke("atlas", "figure", folder, *words, "--device", "cpu", "--quiet")


def test_the_units_that_were_named(atlas):
    done = figure("--layer", "conv2", "--layer", "fc4", "--units", "0-2,5", "--out", "seen/units.png").ok()
    assert [str(path) for path in done.paths] == ["seen/units.png", "seen/units.json"]
    told, tables = facts(done.paths[0]), open_atlas("ATLAS")
    assert [(u["layer"], u["channel"]) for u in told["units"]] == [
        (layer, channel) for layer in ("conv2", "fc4") for channel in (0, 1, 2, 5)
    ]
    for unit in told["units"]:
        for row, entry in zip(unit["strongest"], tables.entries(unit["layer"], unit["channel"]), strict=True):
            assert (row["image"], row["label"]) == (entry.image, entry.label)
            assert (row["row"], row["column"], tuple(row["window"])) == (
                entry.row,
                entry.column,
                entry.window,
            )
            assert row["activation"] == entry.activation
    assert [unit.get("class") for unit in told["units"][3:6]] == [None, "class 0", "class 1"]
    assert (told["model"], told["rule"], told["scanned"]) == ("mynets:tiny", "deconvnet", PHOTOS)
    assert told["modules"] == {"conv2": "5", "fc4": "10"}
    with Image.open("seen/units.png") as drawn:
        assert json.loads(drawn.text["Description"])["layer"] == "conv2, fc4"
        assert len(np.unique(np.asarray(drawn))) > 100


def test_units_are_drawn_by_the_seed(atlas):
    def channels(*words: str):
        done = figure(*words).ok()
        units = facts(done.paths[0])["units"]
        return done.paths[0].name, [(u["layer"], u["channel"]) for u in units]

    name, two = channels("--count", "2", "--seed", "1")
    assert name == "ATLAS_units.png"
    assert [layer for layer, _ in two] == [n for n in ("conv1", "conv2", "fc3", "fc4") for _ in range(2)]
    again, other = (channels("--layer", "conv1", "--count", "2", "--seed", seed) for seed in "14")
    assert again == ("ATLAS_conv1.png", two[:2])
    assert other[1] != two[:2]


def test_dead_units_are_not_drawn_but_may_be_named(atlas):
    assert [u["channel"] for u in facts(figure(folder="HALF").ok().paths[0])["units"]] == [0, 2, 4]
    named = facts(figure("--units", "1", folder="HALF").ok().paths[0])["units"]
    assert [row["problem"] for row in named[0]["strongest"]] == ["did not fire"] * 2


@pytest.mark.parametrize("suffix", ["pdf", "svg"])
def test_other_formats(atlas, suffix):
    done = figure("--layer", "conv2", "--units", "3", "--rule", "guided", "--out", f"one.{suffix}").ok()
    assert done.paths[0].stat().st_size > 5000
    assert facts(done.paths[0])["rule"] == "guided"


def test_images_that_are_elsewhere_gone_or_changed(atlas, monkeypatch):
    first = open_atlas("ATLAS").entries("conv2", 0)
    (atlas / "elsewhere").mkdir()
    shutil.move("photos", "elsewhere/photos")
    manifest = json.loads(Path("ATLAS/manifest.json").read_text())
    manifest["working_folder"] = str(atlas / "nowhere")
    Path("ATLAS/manifest.json").write_text(json.dumps(manifest))
    words = ("--layer", "conv2", "--units", "0")
    said = refused("figure", "ATLAS", *words, "--quiet", command="atlas")
    assert said.startswith("the images of ATLAS cannot be opened: ")
    assert "--root FOLDER" in said
    figure(*words, "--root", "elsewhere").ok()
    (atlas / "elsewhere" / first[0].image).unlink()
    write_photo(atlas / "elsewhere" / first[2].image, seed=99)
    done = figure(*words, "--root", "elsewhere", "--out", "rest.png")
    said = complaint(done)
    assert (
        f"1 of 3 activations have no image any more (conv2, unit 0, {first[0].image}: image is gone)" in said
    )
    assert "1 of 3 activations no longer match" in said
    assert [path.name for path in done.paths] == ["rest.png", "rest.json"]
    rows = facts(done.paths[0])["units"][0]["strongest"]
    assert [bool(row.get("problem")) for row in rows] == [True, False, True]


def test_another_folder_than_that_of_the_scan(atlas, scanned, tmp_path, monkeypatch):
    shutil.rmtree("photos")
    assert open_atlas("ATLAS").manifest["working_folder"] == str(scanned)
    figure("--layer", "conv1", "--units", "0").ok()


def test_weights_that_have_moved(atlas):
    save_weights(atlas / "others.pt", seed=7)
    words = ("photos", "--layer", "conv1", "--topk", "1", "--weights", "others.pt", "--out", "OTHERS")
    invoke("atlas", "scan", *words, *MODEL).ok()
    Path("others.pt").rename("moved.pt")
    words = ("--layer", "conv1", "--units", "0")
    said = refused("figure", "OTHERS", *words, "--quiet", command="atlas")
    assert said == (
        f"the atlas was scanned with {atlas / 'others.pt'}, which is not there: give --weights where it is "
        "now"
    )
    figure(*words, "--weights", "moved.pt", folder="OTHERS").ok()


def test_other_weights_and_networks(atlas):
    save_weights(atlas / "others.pt", seed=7)
    words = ("figure", "ATLAS", "--device", "cpu", "--quiet")
    said = refused(*words, "--weights", "others.pt", command="atlas")
    assert said.startswith("ATLAS is of mynets:tiny with the weights ")
    assert "others.pt" in said
    said = refused(*words, "--model", "mynets:small", command="atlas")
    assert said.startswith("ATLAS is of mynets:tiny, not of mynets:small: ")
    said = refused(*words, "--input-size", "48", command="atlas")
    assert "32 pixels" in said
    path = atlas / "ATLAS" / "manifest.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    told["preprocessing"]["resize"] += 4
    path.write_text(json.dumps(told), encoding="utf-8")
    assert "with images prepared otherwise" in refused(*words, command="atlas")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ATLAS", "--layer", "conv3"], "the atlas has no layer 'conv3'; did you mean 'conv"),
        (["ATLAS", "--layer", "conv2", "--units", "0-6"], "no unit 6 in conv2: the atlas has 6, 0 to 5"),
        (["ATLAS", "--units", "0-99999999999"], "no unit 99999999999 in conv1"),
        (["photos"], "photos is no atlas; 'deconvviz atlas scan"),
        (["nowhere"], "nowhere is no atlas"),
        (["ATLAS", "--out", "mynets.py/seen.png"], "cannot write mynets.py/seen.png"),
    ],
)
def test_what_was_asked_for_is_not_there(atlas, words, says):
    assert refused("figure", *words, "--quiet", command="atlas").startswith(says)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--units", "3-1"], "--units 3-1: a range goes from the smaller"),
        (["--units", "1,x"], "--units 1,x: give units' numbers such as 0-15,40"),
        (["--units", "0", "--count", "3"], "give one or the other"),
        (["--count", "0"], "--count"),
        (["--out", "seen.bmp"], ".png, .svg, .pdf"),
    ],
)
def test_wrong_usage(folder, words, says):
    said = refused("figure", "ATLAS", *words, command="atlas", code=2)
    assert says in said
    assert said.endswith("(see 'deconvviz atlas figure --help')")


def test_more_units_than_a_page_holds(atlas, monkeypatch):
    monkeypatch.setattr("deconvviz.figures.atlas.MOST_UNITS", 5)
    assert "one figure holds up to 5 units, not 8" in refused(
        "figure", "ATLAS", "--layer", "fc4", "--units", "0-7", "--quiet", command="atlas"
    )
