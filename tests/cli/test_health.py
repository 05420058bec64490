"""``deconvviz health``: its table, what it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deconvviz import filter_health, load_model
from deconvviz.data.datasets import open_data
from deconvviz.experiments.scanning import seen

from .support import MODEL, arrays, facts, invoke, refused, save_weights

DATA = ("--data", "dead-leaves", "--val-per-class", "2", "--train-per-class", "1")
HEADINGS = ["layer", "filters", "each", "RMS", "largest", ">0.1", "dominant", "zero", "twins", "aliasing"]
HEADINGS += ["rough", "dead", "rare", "on", "zeros"]


def health(*words, model=MODEL):
    """The table, the findings and the paths of a call that went well."""
    done = invoke("health", *words, *model)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    rows = [line.split() for line in lines]
    end = next(i for i, row in enumerate(rows) if i and len(row) != len(HEADINGS))
    paths = [Path(line) for line in lines if line.startswith(("mynets_", "out/", "new/"))]
    assert all(path.is_file() for path in paths)
    return rows[:end], lines[end : len(lines) - len(paths)], paths


def planted(folder):
    """Weights with a dominant filter in the first layer, and in the second a zero and a dead one."""
    torch.manual_seed(1)
    first, second = 0.01 * torch.randn(12, 3, 5, 5), torch.randn(6, 12, 3, 3)
    bias = torch.zeros(6)
    first[7] *= 20
    second[2], bias[4], bias[2] = 0, -1e6, -1
    return save_weights(folder / "w.pth", **{"0_weight": first, "4_weight": second, "4_bias": bias})


def wanted(weights, places):
    """What the library finds over some of the same images."""
    network = load_model("mynets:tiny", weights)
    side = network.input_size
    data = open_data("dead-leaves", val_per_class=2, train_per_class=1, side=side, progress=False)
    pixels = torch.from_numpy(data.val.pixels[data.val.rows[places]])
    return filter_health(network, (), [seen(network, pixels)])


def test_a_table_what_stands_out_and_a_figure(folder):
    table, said, paths = health("--weights", planted(folder))
    assert table[0] == HEADINGS
    assert [row[0] for row in table[1:]] == ["conv1", "conv2", "fc3", "fc4"]
    assert [row[1:3] for row in table[1:]] == [["12", "3x5x5"], ["6", "12x3x3"], ["20", "216"], ["10", "20"]]
    assert table[1][6:9] == ["1", "0", "0"]
    assert table[2][6:9] == ["0", "1", "0"]
    assert table[2][9:] == ["-"] * 6
    assert said[0] == "conv1: 1 of 12 filters exceed 5 times their layer's median RMS (7)"
    assert said[1].startswith("  to try: train with --renormalise 0.1")
    assert said[2] == "conv2: 1 of 6 filters are zero (2)"
    assert [str(path) for path in paths] == ["mynets_tiny_health.png", "mynets_tiny_health.json"]
    told = facts(folder / "mynets_tiny_health.png")
    assert [f["kind"] for f in told["findings"]][:2] == ["dominant", "zero"]
    assert told["weights"]["file"] == str(folder / "w.pth")
    with Image.open(folder / "mynets_tiny_health.png") as figure:
        assert json.loads(figure.text["Description"])["model"] == "mynets:tiny"


def test_numbers_over_images_are_what_the_library_computes(folder):
    weights = planted(folder)
    table, said, paths = health("--weights", weights, *DATA, "--images", "4", "--arrays", "--out", "out/")
    assert [path.suffix for path in paths] == [".png", ".npz", ".json"]
    found, told = arrays(folder / paths[1]), facts(folder / paths[0])
    assert told["images"] == 4
    assert told["data"]["data"] == "dead-leaves"
    assert {"2", "4"} <= {str(unit) for unit in told["layers"][1]["firing"]["dead"]}
    assert any(line.startswith("conv2: ") and "never fire in 4 images" in line for line in said)
    expected = wanted(weights, [0, 8, 15, 23])  # four of 24, at equal steps
    for one, row, plain in zip(expected, table[1:], told["layers"], strict=True):
        name = one.layer.name
        np.testing.assert_allclose(found[f"{name}_rms"], one.rms)
        assert plain["rms"]["median"] == pytest.approx(one.median)
        assert found[f"{name}_twins"].shape == (len(one.twins.pairs), 2)
        if one.firings is None:
            assert row[11:] == ["-"] * 4
            assert plain["firing"] is None
            continue
        np.testing.assert_allclose(found[f"{name}_fires"], one.firings.shares, atol=2e-3)
        assert found[f"{name}_reach"].shape == one.firings.reach.shape
        assert row[11] == str(len(plain["firing"]["dead"]))
        assert row[14] == f"{100 * plain['firing']['zeros']:.0f}%"
    first = expected[0].first
    np.testing.assert_allclose(found["conv1_aliasing"], first.aliasing)
    np.testing.assert_allclose(found["conv1_smoothness"], first.smoothness)
    assert found["conv1_spectrum"].shape == (64, 64)


def test_batches_do_not_matter(folder):
    one = health("--data", "dead-leaves", *DATA[2:], "--batch-size", "1")[0]
    assert one == health("--data", "dead-leaves", *DATA[2:], "--batch-size", "100")[0]


def test_json_draws_only_where_a_place_is_named(folder):
    done = invoke("health", "--json", "--weights", planted(folder), *MODEL)
    told = json.loads(done.out)
    assert [layer["layer"] for layer in told["layers"]] == ["conv1", "conv2", "fc3", "fc4"]
    assert told["findings"][0]["units"] == [7]
    assert "--renormalise" in told["findings"][0]["try"]
    assert not list(folder.glob("*health*"))
    again = invoke("health", "--json", "--weights", "w.pth", "--out", "new/f.svg", *MODEL)
    assert json.loads(again.out) == told
    assert (folder / "new" / "f.svg").is_file()
    assert facts(folder / "new" / "f.svg")["layers"] == told["layers"]


def test_json_holds_no_nan(folder):
    broken = torch.full((6, 12, 3, 3), torch.nan)
    save_weights(folder / "nan.pth", **{"4_weight": broken})
    done = invoke("health", "--json", "--weights", "nan.pth", *DATA, *MODEL[:-1])
    told = json.loads(done.out, parse_constant=lambda name: pytest.fail(name))
    assert told["findings"][0]["kind"] == "broken"
    assert done.err.splitlines()[-1] == ("note: filters hold NaN or infinity: the images were not looked at")
    assert len(health("--weights", "nan.pth")[2]) == 2


def test_a_note_where_images_are_few(folder):
    done = invoke("health", *DATA, "--images", "1", *MODEL[:-1])
    assert done.err.splitlines()[-1].endswith(
        "note: in fewer than 1000 images units of linear layers look dead that are only rare"
    )
    assert "units never fire in 1 image (" in done.out


def test_only_some_layers(folder):
    table, _, _ = health("--layer", "conv2", "--layer", "8")
    assert [row[0] for row in table[1:]] == ["conv2", "fc3"]


def test_a_network_with_branches_and_functions(folder):
    table, _, _ = health(*DATA, model=("--model", "mynets:Residual", *MODEL[2:]))
    assert [row[0] for row in table[1:]] == ["stem", "conv", "scores"]
    assert [row[-1] == "-" for row in table[1:]] == [False, False, True]


def test_notes_on_what_was_not_looked_at(folder):
    state = {n: t for n, t in torch.load(save_weights(folder / "w.pth")).items() if n < "8"}
    torch.save({n: t for n, t in state.items() if not n.startswith("10")}, "part.pth")
    done = invoke("health", "--weights", "part.pth", *MODEL[:-1])
    assert done.code == 0
    assert done.err.splitlines() == [
        "note: the weights part.pth have no values for fc3, fc4: left out",
        "note: what never fires shows over images: name a set with --data",
    ]
    assert [line.split()[0] for line in done.out.splitlines()[1:3]] == ["conv1", "conv2"]
    said = refused("--weights", "part.pth", "--layer", "fc3", *MODEL, command="health")
    assert "have no values for 'fc3'" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--layer", "conv3"], "no layer 'conv3'; did you mean 'conv2'"),
        (["--layer", "pool1"], "'pool1' has no filters; there are: conv1, conv2, fc3, fc4"),
        (["--data", "dead-leafs"], "no data set 'dead-leafs'; did you mean 'dead-leaves'"),
        (["--weights", "none.pth"], "none.pth does not exist"),
        (["--out", "cat.png/results"], "cannot write cat.png/results/mynets_tiny_health.png"),
    ],
)
def test_what_was_asked_for_is_not_there(folder, words, says):
    done = invoke("health", *words, *MODEL)
    assert done.code == 1
    assert says in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--images", "5"], "choose from --data: name it"),
        (["--classes", "5"], "choose from --data: name it"),
        (["--data", "dead-leaves", "--images", "0"], "--images"),
        (["--out", "figure.bmp"], ".png, .svg, .pdf"),
        (["cat.png"], "cat.png"),
    ],
)
def test_wrong_usage(folder, words, says):
    said = refused(*words, *MODEL, command="health", code=2)
    assert says in said
    assert said.endswith("(see 'deconvviz health --help')")
