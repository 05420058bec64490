"""``deconvviz layers`` and ``deconvviz models``: tables of what there is."""

from __future__ import annotations

import json

import pytest

from deconvviz.models import CATALOGUE

from .support import complaint, invoke

# Krizhevsky's network as torchvision has it: output, receptive field and stride of each named layer.
ALEXNET = {
    "conv1": ([64, 55, 55], 11, 4),
    "pool1": ([64, 27, 27], 19, 8),
    "conv2": ([192, 27, 27], 51, 8),
    "pool2": ([192, 13, 13], 67, 16),
    "conv3": ([384, 13, 13], 99, 16),
    "conv4": ([256, 13, 13], 131, 16),
    "conv5": ([256, 13, 13], 163, 16),
    "pool5": ([256, 6, 6], 195, 32),
}
KEYS = ["name", "module", "kind", "output_shape", "units", "receptive_field", "stride"]
VGG16 = [
    "conv1_1",
    "conv1_2",
    "pool1",
    "conv2_1",
    "conv2_2",
    "pool2",
    "conv3_1",
    "conv3_2",
    "conv3_3",
    "pool3",
]
VGG16 += [
    "conv4_1",
    "conv4_2",
    "conv4_3",
    "pool4",
    "conv5_1",
    "conv5_2",
    "conv5_3",
    "pool5",
    "fc6",
    "fc7",
    "fc8",
]
ZFNET = ["conv1", "pool1", "norm1", "conv2", "pool2", "norm2", "conv3", "conv4", "conv5", "pool5"]
ZFNET += ["fc6", "fc7", "fc8"]


def layers_json(*words):
    done = invoke("layers", "--json", *words)
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


def named(rows):
    return {row["name"]: row for row in rows["layers"] if row["name"]}


def test_alexnet_as_json(folder):
    told = layers_json("--model", "alexnet")
    assert (told["model"], told["input_size"]) == ("alexnet", 224)
    for row in told["layers"]:
        assert list(row) == KEYS
        assert row["units"] == row["output_shape"][0]
    rows = named(told)
    assert list(rows) == [*ALEXNET, "fc6", "fc7", "fc8"]
    for name, (output, field, stride) in ALEXNET.items():
        assert rows[name]["output_shape"] == output
        assert rows[name]["receptive_field"] == [field, field]
        assert rows[name]["stride"] == [stride, stride]
    assert rows["conv5"]["module"] == "features.11"
    assert rows["conv5"]["kind"] == "ReLU"
    assert (rows["fc8"]["units"], rows["fc8"]["kind"], rows["fc8"]["receptive_field"]) == (
        1000,
        "Linear",
        [224, 224],
    )


def test_alexnet_as_a_table(folder):
    done = invoke("layers", "--model", "alexnet")
    assert (done.code, done.err) == (0, "")
    head, *lines = [line.split() for line in done.out.splitlines()]
    assert head == ["name", "module", "kind", "output", "units", "receptive", "field", "stride"]
    assert {len(line) for line in lines} == {len(KEYS)}
    rows = {line[0]: line[1:] for line in lines if line[0] != "-"}
    for name, (output, field, stride) in ALEXNET.items():
        assert rows[name][2:] == ["x".join(map(str, output)), str(output[0]), str(field), str(stride)]
    assert rows["fc8"] == ["classifier.6", "Linear", "1000", "1000", "224", "-"]


@pytest.mark.parametrize(("model", "names"), [("vgg16", VGG16), ("vgg16_bn", VGG16), ("zfnet", ZFNET)])
def test_names_of_the_papers(folder, model, names):
    rows = named(layers_json("--model", model))
    assert list(rows) == names
    assert {row["kind"] for name, row in rows.items() if name.startswith("conv")} == {"ReLU"}
    assert rows["fc8"]["output_shape"] == [1000]


def test_zeiler_and_fergus_print_the_sizes_of_their_maps(folder):
    rows = named(layers_json("--model", "zfnet"))
    sides = [
        rows[name]["output_shape"][-1] for name in ("conv1", "pool1", "conv2", "pool2", "conv5", "pool5")
    ]
    assert sides == [110, 55, 26, 13, 13, 6]  # their figure 3


def test_input_size(folder):
    rows = named(layers_json("--model", "alexnet", "--input-size", "448"))
    assert rows["conv1"]["output_shape"] == [64, 111, 111]
    assert rows["conv5"]["receptive_field"] == [163, 163]
    assert rows["pool5"]["output_shape"][0] == 256


def test_a_network_of_ones_own(folder):
    told = layers_json("--model", "mynets:tiny")
    assert [row["module"] for row in told["layers"]] == [str(i) for i in range(11)]
    assert named(told)["conv2"]["receptive_field"] == [11, 11]
    assert named(told)["conv2"]["stride"] == [2, 2]
    assert [row["name"] for row in layers_json("--model", "mynets:small")["layers"]] == [None] * 4


@pytest.mark.parametrize("model", ["mynets:Branching", "mynets:Functional"])
def test_fields_end_where_the_chain_does(folder, model):
    rows = layers_json("--model", model)["layers"]
    assert [row["module"] for row in rows] == ["first", "second", "last"]
    assert rows[0]["receptive_field"] == [3, 3]
    assert rows[-1]["receptive_field"] is None
    assert invoke("layers", "--model", model).out.splitlines()[-1].split()[-2:] == ["-", "-"]


def test_an_unknown_network(folder):
    assert "did you mean 'alexnet'" in complaint(invoke("layers", "--model", "alexnett"))


def test_models(folder):
    table = invoke("models")
    listed = json.loads(invoke("models", "--json").out)
    assert (table.code, table.err) == (0, "")
    assert [row["name"] for row in listed][:12:9] == ["alexnet", "zfnet"]
    assert {row["name"] for row in listed} >= {"vgg11", "vgg16_bn", "vgg19", "mini", "cifar", "resnet50"}
    *lines, own = table.out.splitlines()
    assert len({line.index(row["about"]) for line, row in zip(lines, listed, strict=True)}) == 1
    assert "package.module:function" in own
    for line, row in zip(lines, listed, strict=True):
        assert set(row) == {"name", "weights", "about"}
        assert line.split() == f"{row['name']} {row['weights']} {row['about']}".split()


@pytest.mark.parametrize("model", {e.file or name: name for name, e in reversed(CATALOGUE.items())}.values())
def test_every_kind_of_named_network_has_layers(folder, model):
    last = layers_json("--model", model)["layers"][-1]
    kind = "AdaptiveAvgPool2d" if model.startswith("squeezenet") else "Linear"
    assert (last["kind"], last["units"]) == (kind, {"mini": 100, "cifar": 10}.get(model, 1000))
    named = CATALOGUE[model].blocks is not None  # the papers have no names for the others' layers
    assert last["name"] == (("fc5" if model == "cifar" else "fc8") if named else None)
