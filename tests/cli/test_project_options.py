"""Every option of ``deconvviz project`` changes what it says, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from deconvviz import load_model, project_trace, record
from deconvviz.deconvnet import Unit

from .support import MODEL, arrays, facts, invoke, project, refused, save_weights


def numbers(*words, layer="conv2"):
    """The arrays and the manifest of one call."""
    figure = project("cat.png", "--layer", layer, "--arrays", *words).paths[0]
    return arrays(figure.with_suffix(".npz")), facts(figure)


@pytest.mark.parametrize(
    ("option", "default", "others"),
    [
        ("--rule", "deconvnet", ["gradient", "guided"]),
        ("--unpooling", "switches", ["centre"]),
        ("--lrn", "identity", ["transpose"]),
        ("--seed-value", "activation", ["one"]),
        ("--from", "strongest", ["map"]),
    ],
)
def test_choices_of_the_way_down(folder, option, default, others):
    plain, _ = numbers()
    spelt, said = numbers(option, default)
    key = {"--from": "source"}.get(option, option.removeprefix("--").replace("-", "_"))
    assert said[key] == default
    np.testing.assert_array_equal(plain["pixels"], spelt["pixels"])
    seen = [plain["pixels"]]
    for choice in others:
        found, said = numbers(option, choice)
        assert said[key] == choice
        np.testing.assert_array_equal(plain["channel"], found["channel"])
        np.testing.assert_array_equal(plain["activation"], found["activation"])
        assert not any(np.array_equal(found["pixels"], other) for other in seen)
        seen.append(found["pixels"])


def test_a_seed_of_one_only_scales(folder):
    own, _ = numbers()
    one, _ = numbers("--seed-value", "one")
    scaled = one["pixels"] * own["activation"][:, None, None, None]
    np.testing.assert_allclose(scaled, own["pixels"], rtol=1e-5, atol=1e-6)


def test_a_whole_map_reaches_further_than_one_place(folder):
    one, _ = numbers("--unit", "2")
    whole, _ = numbers("--unit", "2", "--from", "map")
    assert np.count_nonzero(whole["pixels"]) > 2 * np.count_nonzero(one["pixels"])
    assert whole["window"].tolist() == [[0, 0, 32, 32]]
    np.testing.assert_array_equal(whole["activation"], one["activation"])


def test_the_activation_of_a_whole_map_is_its_largest(folder):
    whole, _ = numbers("--unit", "2", "--from", "map")
    placed, _ = numbers("--unit", "2,0,0", "--from", "map")
    np.testing.assert_array_equal(placed["pixels"], whole["pixels"])
    np.testing.assert_array_equal(placed["activation"], whole["activation"])


@pytest.mark.parametrize("layer", ["conv2", "fc3"])
def test_a_whole_layer_comes_in_one_tile(folder, layer):
    done = project("cat.png", "--layer", layer, "--from", "layer", "--arrays", "--each")
    found, said = arrays(done.paths[0].with_suffix(".npz")), facts(done.paths[0])
    assert [path.name for path in done.paths[2:-1]] == ["layer_patch.png", "layer_projection.png"]
    network = load_model("mynets:tiny", seed=0)
    trace = record(network, torch.from_numpy(found["input"])[None], [layer])
    wanted = project_trace(trace, [Unit(layer, 0)], source="layer")
    np.testing.assert_array_equal(found["pixels"], wanted.pixels.numpy())
    assert found["channel"].tolist() == found["row"].tolist() == found["column"].tolist() == [-1]
    assert found["activation"].tolist() == [float(trace.features(layer).max())]
    assert (said["source"], said["chosen_by"]) == ("layer", "layer")
    (unit,) = said["units"]
    assert unit["channel"] is unit["row"] is unit["column"] is None
    assert unit["window"] == [0, 0, 32, 32]


def test_both_engines_project_a_whole_layer(folder):
    mirror, _ = numbers("--from", "layer")
    autograd, said = numbers("--from", "layer", "--engine", "autograd")
    assert said["engine"] == "autograd"
    np.testing.assert_allclose(autograd["pixels"], mirror["pixels"], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(autograd["activation"], mirror["activation"])


@pytest.mark.parametrize("option", [["--unit", "3"], ["--topk", "2"], ["--by", "map"], ["--with-maps"]])
def test_a_whole_layer_has_no_units(folder, option):
    said = refused("cat.png", "--layer", "conv2", "--from", "layer", *option, *MODEL, code=2)
    assert "--from layer starts from all activations" in said
    assert option[0] in said


def test_by_activation_may_show_one_map_twice(folder):
    maps, by_map = numbers("--topk", "6")
    values, by_activation = numbers("--topk", "6", "--by", "activation")
    assert by_map["chosen_by"] == "map"
    assert by_activation["chosen_by"] == "activation"
    assert len(set(maps["channel"])) == 6
    places = {(u["channel"], u["row"], u["column"]) for u in by_activation["units"]}
    assert len(places) == 6
    assert (values["activation"] >= maps["activation"]).all()
    assert values["activation"][0] == maps["activation"][0]


@pytest.mark.parametrize("k", [1, 2, 12])
def test_topk(folder, k):
    found, _ = numbers("--topk", str(k), layer="conv1")
    every, _ = numbers("--topk", "12", layer="conv1")
    np.testing.assert_array_equal(found["pixels"], every["pixels"][:k])


def test_units_by_number_and_place(folder):
    found, said = numbers("--unit", "5", "--unit", "3,0,12", "--unit", "5,1,1")
    assert said["chosen_by"] == "unit"
    assert found["channel"].tolist() == [5, 3, 5]
    assert found["row"].tolist()[1:] == [0, 1]
    assert found["column"].tolist()[1:] == [12, 1]
    strongest, _ = numbers("--topk", "6")
    same = strongest["channel"].tolist().index(5)
    assert found["activation"][0] == strongest["activation"][same]


def test_a_silent_unit_projects_to_zero(folder):
    found, _ = numbers("--unit", "1,0,0", "--unit", "1,0,1", "--unit", "2,6,6", "--unit", "3,12,12")
    for pixels, activation in zip(found["pixels"], found["activation"], strict=True):
        assert pixels.any() == (activation != 0)


def test_scale_changes_the_picture_and_not_the_numbers(folder):
    pictures, values = [], []
    for choice in ("shared", "each"):
        done = project(
            "cat.png", "--layer", "conv2", "--arrays", "--each", "--scale", choice, "--out", choice
        )
        values.append(arrays(done.paths[1])["pixels"])
        pictures.append([np.asarray(Image.open(path)) for path in done.paths if "projection" in path.name])
    np.testing.assert_array_equal(*values)
    peaks = [[int(np.abs(tile.astype(int) - 128).max()) for tile in tiles] for tiles in pictures]
    assert max(peaks[0]) >= 126
    assert min(peaks[1]) >= 126 > min(peaks[0])


def test_input_size(folder):
    found, said = numbers("--input-size", "48")
    assert said["input_size"] == 48
    assert found["input"].shape == (3, 48, 48)
    assert found["pixels"].shape == (6, 3, 48, 48)


def test_seed_draws_the_weights(folder):
    first, said = numbers("--seed", "1")
    again, _ = numbers("--seed", "1")
    other, _ = numbers("--seed", "2")
    assert said["seed"] == 1
    np.testing.assert_array_equal(first["pixels"], again["pixels"])
    assert not np.array_equal(first["pixels"], other["pixels"])
    np.testing.assert_array_equal(first["input"], other["input"])


def test_weights_from_a_file(folder):
    save_weights(folder / "mine.pth", seed=7)
    mine, said = numbers("--weights", "mine.pth")
    drawn, _ = numbers("--weights", "random", "--seed", "7")
    assert said["weights"]["label"] == "mine.pth"
    np.testing.assert_array_equal(mine["pixels"], drawn["pixels"])


def test_a_paper_name_and_its_module_path_are_one_layer(folder):
    by_name, _ = numbers(layer="conv2")
    by_path, said = numbers(layer="5")
    assert said["module"] == "5"
    np.testing.assert_array_equal(by_name["pixels"], by_path["pixels"])
    before, _ = numbers(layer="4")  # the convolution itself, not rectified
    np.testing.assert_array_equal(before["activation"], by_name["activation"])


def test_random_weights_are_pointed_out_unless_quiet(folder):
    words = ["project", "cat.png", "--layer", "conv2", "--weights", "random", *MODEL]
    assert invoke(*words).ok().err == ""
    told = invoke(*words[: words.index("--quiet")])
    assert told.code == 0
    assert told.err.startswith("note: ")
    assert "random" in told.err
    assert len(told.err.splitlines()) == 1
    assert told.out == "cat_conv2.png\ncat_conv2.json\n"
