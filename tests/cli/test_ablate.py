"""``deconvviz ablate``: the eight combinations of a unit, trained and random."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from deconvviz import Unit, load_model, project, read_image, record, strongest
from deconvviz.experiments.ablation import ablate as ablated
from deconvviz.experiments.combinations import combinations
from deconvviz.experiments.ways_down import MEASURES

from .support import MODEL, arrays, facts, invoke, refused, save_weights, write_photo

CODES = [each.code for each in combinations("both")]


def ablate(*words):
    return invoke("ablate", "cat.png", *words, *MODEL).ok()


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_figure_table_numbers_and_manifest(folder):
    save_weights(folder / "mine.pth")
    done = ablate("--layer", "conv2", "--arrays", "--seed", "4", "--draws", "2", "--weights", "mine.pth")
    stem = "cat_conv2_ablate"
    assert done.out == "".join(f"{stem}.{suffix}\n" for suffix in ("png", "csv", "npz", "json"))
    network = load_model("mynets:tiny", "mine.pth")
    images = read_image("cat.png", network)
    (unit,) = strongest(record(network, images, ["conv2"]), "conv2", 1)
    expected = ablated(network, images, [unit], combinations=combinations("both"), draws=2, seed=4)
    found = arrays(folder / f"{stem}.npz")
    assert found["codes"].tolist() == CODES
    assert found["unit"].tolist() == [[unit.channel, unit.row, unit.column]]
    np.testing.assert_array_equal(found["input"], images[0])
    for r, code in enumerate(CODES):
        np.testing.assert_array_equal(found["pixels"][:, r], expected.given.pixels[code])
        np.testing.assert_array_equal(found["random_pixels"][:, r], expected.random[0].pixels[code])
        for measure in MEASURES:
            np.testing.assert_array_equal(found[measure][:, r], getattr(expected.given, measure)[code])
            for d, one in enumerate(expected.random):
                np.testing.assert_array_equal(
                    found[f"random_{measure}"][d, :, r], getattr(one, measure)[code]
                )
    table = rows_of(folder / f"{stem}.csv")
    assert [(row["weights"], row["draw"], row["code"]) for row in table] == [
        (*kind, code) for kind in (("trained", ""), ("random", "1"), ("random", "2")) for code in CODES
    ]
    assert float(table[2]["detail"]) == pytest.approx(expected.given.detail["FTT"].item(), rel=1e-5)
    assert [table[9][name] for name in ("name", "mask", "switches", "backward_relu", "lrn")] == [
        "SaliNet (gradient)",
        "1",
        "1",
        "0",
        "transpose",
    ]
    said = facts(folder / f"{stem}.png")
    assert (said["layer"], said["engine"], said["seed"], said["source"]) == (
        "conv2",
        "mirror",
        4,
        "strongest",
    )
    assert [network["weights"] for network in said["networks"]] == ["trained", "random", "random"]
    told = said["networks"][2]["units"][0]
    assert told["channel"] == expected.random[1].units[0].channel
    assert told["combinations"]["TFF"]["detail"] == pytest.approx(
        expected.random[1].detail["TFF"].item(), rel=1e-5
    )
    with Image.open(folder / f"{stem}.png") as figure:
        assert json.loads(figure.text["Description"])["layer"] == "conv2"


def test_the_three_known_ones_are_those_of_project(folder):
    ablate("--layer", "conv2", "--unit", "3,5,6", "--arrays", "--draws", "0")
    found, network = arrays(folder / "cat_conv2_ablate.npz"), load_model("mynets:tiny")
    images, unit = read_image("cat.png", network), Unit("conv2", 3, 5, 6)
    assert "random_pixels" not in found
    for each in combinations("both"):
        wanted = project(network, images, [unit], rules=each.rules, seed="one").pixels
        np.testing.assert_array_equal(found["pixels"][:, CODES.index(each.code)], wanted)


def test_several_images_have_means_though_one_is_bad(folder):
    write_photo(folder / "dog.png", seed=1)
    (folder / "bad.png").write_bytes((folder / "dog.png").read_bytes()[:200])
    more = (
        "--layer",
        "3",
        "--topk",
        "2",
        "--draws",
        "1",
        "--each",
        "--out",
        "all/",
        "--model",
        "mynets:small",
    )
    done = invoke("ablate", "cat.png", "bad.png", "dog.png", *more)
    assert done.code == 1
    assert done.err.splitlines()[-1].endswith("1 of 3 images could not be shown; the others are done")
    written = [str(path) for path in done.paths]
    assert written[-3:] == [f"all/ablate_3_means.{suffix}" for suffix in ("png", "csv", "json")]
    assert sum(path.startswith("all/cat/3/") for path in written) == 2 * 2 * 9
    per_image = [rows_of(folder / "all" / f"{stem}_3_ablate.csv") for stem in ("cat", "dog")]
    means = rows_of(folder / "all" / "ablate_3_means.csv")
    assert [(row["weights"], row["code"]) for row in means] == [
        (weights, code) for weights in ("as built", "random") for code in CODES[:8]
    ]
    lines = [line.split() for line in done.err.splitlines()]
    assert lines.count(["weights", "code", "explained", "detail", "correlation", "rank", "correlation"]) == 1
    assert sum(line[:2] == ["random", "FFF"] for line in lines) == 1
    for row in means:
        for measure in MEASURES:
            own = [
                np.nanmean(
                    [
                        float(r[measure])
                        for r in rows
                        if (r["weights"], r["code"]) == (row["weights"], row["code"])
                    ]
                )
                for rows in per_image
            ]
            assert float(row[f"{measure}_mean"]) == pytest.approx(np.mean(own), rel=1e-3, abs=1e-6)
            spread = float(row[f"{measure}_deviation"])
            assert spread == pytest.approx(np.std(own, ddof=1), rel=1e-2, abs=1e-5)
    assert [image["name"] for image in facts(folder / "all/ablate_3_means.png")["images"]] == [
        "cat.png",
        "dog.png",
    ]


def test_networks_without_a_mirror(folder):
    words = ["cat.png", "--layer", "last", "--model", "mynets:Branching", "--quiet", "--draws", "0"]
    assert facts(invoke("ablate", *words).ok().paths[0])["engine"] == "autograd"


def test_whole_layers(folder):
    ablate("--layer", "conv2", "--from", "layer", "--draws", "0", "--arrays", "--lrn", "transpose")
    found, network = arrays(folder / "cat_conv2_ablate.npz"), load_model("mynets:tiny")
    images = read_image("cat.png", network)
    unit = strongest(record(network, images, ["conv2"]), "conv2", 1)
    wanted = project(network, images, unit, rules=combinations("transpose")[2].rules, source="layer").pixels
    np.testing.assert_array_equal(found["pixels"][:, 2], wanted)
    assert found["codes"].tolist() == CODES[8:]


def test_own_weights_and_units_of_vectors(folder):
    more = ("--random", "own", "--random-unit", "own", "--draws", "2", "--weights", "random", "--seed", "3")
    done = ablate("--layer", "fc4", "--topk", "2", "--lrn", "identity", *more)
    said = facts(done.paths[0])
    assert [network["weights"] for network in said["networks"]] == ["random (seed 3)", "random", "random"]
    assert all(unit["row"] is None for network in said["networks"] for unit in network["units"])


def test_weights_of_the_first_layers_alone(folder):
    whole = torch.load(save_weights(folder / "mine.pth"))
    torch.save({name: t for name, t in whole.items() if name[0] in "04"}, "part.pth")
    done = ablate("--layer", "conv2", "--draws", "1", "--lrn", "identity", "--weights", "part.pth")
    assert len(facts(done.paths[0])["networks"]) == 2
    said = refused("cat.png", "--layer", "fc3", "--weights", "part.pth", *MODEL, command="ablate")
    assert "have no values for 'fc3'; they serve conv1 to pool2" in said


@pytest.mark.parametrize(
    ("words", "says", "code"),
    [
        (["--layer", "conv2", "--unit", "1,2"], "number,row,column", 2),
        (["--layer", "conv2", "--unit", "6"], "no unit 6 in conv2", 1),
        (["--layer", "conv2", "--unit", "1", "--topk", "2"], "one or the other", 2),
        (["--layer", "conv2", "--topk", "7"], "conv2 has 6 feature maps", 1),
        (["--layer", "conv2", "--from", "layer", "--topk", "2"], "leave --unit and --topk away", 2),
        (["--layer", "conv9"], "no layer 'conv9'", 1),
        (["--layer", "conv2", "--draws", "-1"], "--draws", 2),
        (["--layer", "conv2", "--layer", "conv1", "--out", "one.png"], "2 figures", 2),
        (["--layer", "3", "--model", "mynets:dead"], "no positive activation; name a unit with --unit", 1),
        (["--layer", "3", "--model", "mynets:smooth"], "GELU", 1),
    ],
)
def test_what_cannot_be_ablated(folder, words, says, code):
    model = () if "--model" in words else MODEL
    assert says in refused("cat.png", "--quiet", *words, *model, command="ablate", code=code)
