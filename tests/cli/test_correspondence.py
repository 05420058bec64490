"""``deconvviz correspondence``: what it writes and prints, what it refuses, and picking points."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch
from deconvviz_cli.main import main
from PIL import Image

from deconvviz import __version__, load_model, read_image
from deconvviz.data.points import Point, in_input, read_points
from deconvviz.experiments.correspondence import correspondence as compared
from deconvviz.experiments.squares import FILLS

from .support import MODEL, arrays, facts, invoke, refused, save_weights, write_photo

PLACES = {"cat.png": ((20, 18), (30, 31)), "dog.png": ((22.5, 15), (28, 30)), "fox.png": ((17, 21), (33, 26))}
PARTS = ("left eye", "nose")
LAYERS = ("--layer", "conv2", "--layer", "fc3")


@pytest.fixture
def dogs(folder):
    """Three photographs and a file of points in them."""
    for seed, name in enumerate(PLACES):
        write_photo(folder / name, seed=seed)
    write_points(folder / "points.csv")
    return list(PLACES)


def write_points(path, places=PLACES, parts=PARTS):
    rows = [
        (image, part, *at) for image, every in places.items() for part, at in zip(parts, every, strict=True)
    ]
    path.write_text("\n".join(["image,part,x,y", *(",".join(map(str, row)) for row in rows)]))


def library(names, layers, size=7, fill="grey", draws=10, seed=0):
    """What the library finds in the same photographs."""
    network = load_model("mynets:tiny", seed=seed)
    images = torch.cat([read_image(name, network) for name in names])
    seen = {
        part: [in_input(Point(*PLACES[name][k]), (48, 48), network, "") for name in names]
        for k, part in enumerate(PARTS)
    }
    return images, compared(
        network, images, seen, layers, size=size, fill=fill, random_draws=draws, seed=seed
    )


def test_table_figure_and_manifest(dogs, folder):
    done = invoke("correspondence", *dogs, "--points", "points.csv", *LAYERS, *MODEL)
    assert (done.code, done.err) == (0, "")
    table, paths = done.out.splitlines()[:5], done.out.splitlines()[5:]
    assert paths == ["points_correspondence.png", "points_correspondence.json"]
    _, found = library(dogs, ["conv2", "fc3"])
    assert table[0].split() == ["part", "conv2", "±", "chance", "fc3", "±", "chance"]
    for line, part in zip(table[1:], found.parts, strict=True):
        assert line.startswith(part.name)
        values = [f(layer) for layer in found.layers for f in (part.mean, part.deviation, part.chance)]
        assert line.split()[-6:] == [f"{value:.4f}" for value in values]
    told = facts(folder / "points_correspondence.png")
    assert told["made_by"] == f"deconvviz {__version__}"
    assert (told["size"], told["fill"], told["random_draws"], told["pairs"]) == (7, "grey", 10, 3)
    assert [row["layer"] for row in told["layers"]] == ["conv2", "fc3"]
    assert [row["features"] for row in told["layers"]] == [6 * 13 * 13, 20]
    assert [image["name"] for image in told["images"]] == dogs
    assert told["images"][1]["points"] == {"left eye": [22.5, 15], "nose": [28, 30]}
    assert told["images"][0]["sha256"] == hashlib.sha256((folder / "cat.png").read_bytes()).hexdigest()
    for row, part in zip(told["parts"], found.parts, strict=True):
        assert (row["part"], row["draws"]) == (part.name, len(part.boxes))
        assert row["layers"]["fc3"] == pytest.approx(
            {
                "mean": part.mean("fc3"),
                "deviation": part.deviation("fc3"),
                "chance": part.chance("fc3"),
                "paper_sum": part.total("fc3"),
            }
        )
    with Image.open("points_correspondence.png") as figure:
        assert min(figure.size) > 400
        assert json.loads(figure.text["Description"])["model"] == "mynets:tiny"


def test_arrays_are_what_the_library_computes(dogs, folder):
    words = ["--random-draws", "3", "--size", "9", "--fill", "noise", "--seed", "4", "--arrays", "--quiet"]
    done = invoke("correspondence", *dogs, "--points", "points.csv", *LAYERS, *words, *MODEL[:-1])
    assert done.out.split()[-2:] == ["points_correspondence.npz", "points_correspondence.json"]
    images, found = library(dogs, ["conv2", "fc3"], 9, "noise", 3, 4)
    stored = arrays(folder / "points_correspondence.npz")
    np.testing.assert_array_equal(stored["input"], images.numpy())
    assert stored["image"].tolist() == dogs
    assert stored["part"].tolist() == [*PARTS, *["random"] * 3, *["random, same place"] * 3]
    assert stored["layer"].tolist() == ["conv2", "fc3"]
    assert stored["pair"].tolist() == [[0, 1], [0, 2], [1, 2]]
    np.testing.assert_array_equal(stored["box"], torch.cat([p.boxes for p in found.parts]).numpy())
    for name, what in (("distance", "distances"), ("chance", "chances")):
        for k, layer in enumerate(found.layers):
            wanted = torch.cat([getattr(part, what)[layer] for part in found.parts]).numpy()
            np.testing.assert_array_equal(stored[name][k], wanted)


def test_json_takes_the_place_of_the_table(dogs):
    done = invoke("correspondence", *dogs[:2], "--points", "points.csv", "--no-random", "--json", *MODEL)
    assert done.code == 0
    told = json.loads(done.out)
    assert told["pairs"] == 1
    assert [row["part"] for row in told["parts"]] == list(PARTS)
    assert list(told["parts"][0]["layers"]) == ["conv2", "fc3"]  # the last maps, the last features
    assert told["parts"][0]["layers"]["fc3"]["deviation"] is None


def test_parts_are_chosen_and_out_names_a_file(dogs, folder):
    done = invoke(
        "correspondence",
        *dogs,
        "--points",
        "points.csv",
        "--parts",
        " nose ,",
        "--no-random",
        "--out",
        "a/b.svg",
        *MODEL,
    )
    assert done.out.splitlines()[1].startswith("nose")
    assert done.out.splitlines()[2:] == ["a/b.svg", "a/b.json"]
    assert [row["part"] for row in facts(folder / "a" / "b.svg")["parts"]] == ["nose"]


def test_a_network_with_branches(dogs):
    words = ["--points", "points.csv", "--model", "mynets:Residual", "--device", "cpu", "--quiet"]
    done = invoke("correspondence", *dogs, *words, "--layer", "stem", "--layer", "scores")
    assert done.out.splitlines()[-1] == "points_correspondence.json"


def test_weights_without_the_last_layers(dogs, folder):
    path = save_weights(folder / "features.pth")
    state = torch.load(path)
    torch.save({name: value for name, value in state.items() if name.split(".")[0] not in ("8", "10")}, path)
    words = ["--points", "points.csv", "--no-random", "--weights", "features.pth", *MODEL[:-1]]
    done = invoke("correspondence", *dogs, *words)
    assert done.code == 0, done.err
    assert done.err.startswith("note: the weights features.pth serve conv1 to pool2: only these are compared")
    assert done.out.splitlines()[0].split() == ["part", "conv2", "±", "chance", "pool2", "±", "chance"]
    said = refused(*dogs, *words, "--quiet", "--layer", "fc3", command="correspondence")
    assert said == "the weights features.pth have no values for 'fc3'; they serve conv1 to pool2"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("cat.png,nose,48,3", "the nose of cat.png is at 48, 3, outside the photograph: x goes from 0 to 47"),
        ("cat.png,tail,30,3", "dog.png has no point for 'tail': add a row, leave the image out"),
        ("cat.png,nose,many,3", "points.csv, line 2: x is 'many', not a number of pixels"),
        ("cot.png,nose,3,3", "no points for cat.png; did you mean 'cot.png'"),
    ],
)
def test_points_that_cannot_be_used(dogs, folder, row, says):
    text = f"image,part,x,y\n{row}\nfox.png,nose,20,20\ndog.png,nose,20,20\n"
    (folder / "points.csv").write_text(text)
    assert says in refused(*dogs, "--points", "points.csv", *MODEL, command="correspondence")


def test_a_point_outside_what_the_network_sees(dogs, folder):
    with Image.open("dog.png") as photo:
        photo.resize((96, 48)).save("dog.png")
    said = refused(*dogs, "--points", "points.csv", *MODEL, command="correspondence")
    assert said == (
        "the left eye of dog.png is at 22.5, 15, outside the middle square that mynets:tiny sees: "
        "x from 24 to 71, y from 0 to 47; crop the photograph around its parts, or leave it out"
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--points", "none.csv"], "none.csv does not exist; it is a CSV file with the columns"),
        (["--parts", "nose,tail"], "no part 'tail'; there are: left eye, nose"),
        (["--layer", "conv3"], "no layer 'conv3'; did you mean"),
        (["--size", "33"], "a square of 33 pixels does not fit an image of 32x32: give a size from 1 to 32"),
        (["--size", "32"], "take up the whole image"),
        (["--out", "cat.png/results"], "cannot write cat.png/results/points_correspondence.png"),
    ],
)
def test_what_was_asked_for_is_not_there(dogs, words, says):
    given = [] if "--points" in words else ["--points", "points.csv"]
    assert says in refused(*dogs, *given, *words, *MODEL, command="correspondence")


def test_a_bad_photograph(dogs, folder):
    (folder / "dog.png").write_bytes((folder / "dog.png").read_bytes()[:300])
    assert "dog.png is damaged" in refused(*dogs, "--points", "points.csv", *MODEL, command="correspondence")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["cat.png", "--points", "points.csv"], "name at least two images"),
        ([], "name at least two images"),
        (["cat.png", "dog.png"], "give --points FILE, or --pick FILE"),
        (["cat.png", "dog.png", "--points", "a.csv", "--pick", "b.csv"], "give one of the two"),
        (["cat.png", "dog.png", "--pick", "b.csv"], '--parts "left eye,right eye,nose"'),
        (["cat.png", "new/cat.png", "--points", "points.csv"], "two images are called cat.png"),
        (["cat.png", "dog.png", "--points", "points.csv", "--fill", "pink"], "grey"),
        (["cat.png", "dog.png", "--points", "points.csv", "--random-draws", "0"], "--random-draws"),
    ],
)
def test_wrong_usage(dogs, words, says):
    said = refused(*words, *MODEL, command="correspondence", code=2)
    assert says in said
    assert said.endswith("(see 'deconvviz correspondence --help')")


def test_the_fills_are_those_of_the_library():
    (fill,) = [option for option in main.commands["correspondence"].params if option.name == "fill"]
    assert tuple(fill.type.choices) == FILLS


def test_no_display_is_one_line(dogs, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    said = refused(*dogs, "--pick", "new.csv", "--parts", "nose", *MODEL, command="correspondence")
    assert said == "no window can be opened here: write the CSV by hand, columns image,part,x,y"
    said = refused(*dogs, "--pick", "points.csv", "--parts", "nose", *MODEL, command="correspondence")
    assert said == "points.csv exists: name another file to pick points into, or move it away"
    said = refused(*dogs, "--pick", "cat.png/a.csv", "--parts", "nose", *MODEL, command="correspondence")
    assert said.startswith("cannot write cat.png/a.csv")


@pytest.mark.parametrize("clicks", [4, 3])
def test_picked_points_are_written_once_all_are_set(dogs, folder, monkeypatch, clicks):
    from matplotlib.backend_bases import KeyEvent, MouseEvent
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    def by_hand(figure, connect):
        canvas = FigureCanvasAgg(figure)
        connect(lambda: None)
        for k in range(clicks):
            figure.axes[0].apply_aspect()
            x, y = figure.axes[0].transData.transform((10 + k, 20))
            canvas.callbacks.process(
                "button_press_event", MouseEvent("button_press_event", canvas, x, y, button=1)
            )
        canvas.callbacks.process("key_press_event", KeyEvent("key_press_event", canvas, "enter"))

    monkeypatch.setattr("deconvviz.figures.window.show", by_hand)
    words = ["dog.png", "cat.png", "--pick", "new.csv", "--parts", "left eye,nose", *MODEL]
    if clicks < 4:
        said = refused(*words, command="correspondence")
        assert said == "the window was closed with 3 of 4 points set: nothing is written"
        return
    assert invoke("correspondence", *words).ok().out == "new.csv\n"
    assert read_points(folder / "new.csv") == {
        "dog.png": {"left eye": Point(10, 20), "nose": Point(11, 20)},
        "cat.png": {"left eye": Point(12, 20), "nose": Point(13, 20)},
    }
