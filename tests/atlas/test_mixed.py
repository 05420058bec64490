"""A scan in mixed precision gives the atlas of full precision, and says where that is not certain."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from deconvviz.atlas.images import list_images
from deconvviz.atlas.rescoring import finished
from deconvviz.atlas.scanning import scan
from deconvviz.errors import DataError

from .nets import chain, coarse, network, write_pictures

LAYERS = ("conv1", "conv2", "fc4")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return list_images([write_pictures(tmp_path_factory.mktemp("pictures"), 90)])


@pytest.mark.parametrize("per_image", [1, 2])
def test_gives_the_strongest_of_full_precision(images, per_image):
    net = chain(torch.float32)
    full = scan(net, images, LAYERS, topk=5, per_image=per_image)
    mixed = scan(net, images, LAYERS, topk=5, per_image=per_image, precision="mixed")
    assert mixed.problems == full.problems
    for layer in LAYERS:
        for field in ("values", "images", "places"):
            ours, theirs = (getattr(s.strongest[layer], field) for s in (mixed, full))
            assert ours.dtype == theirs.dtype
            assert (ours == theirs).all()
        assert mixed.statistics[layer].images == full.statistics[layer].images
        means = [s.statistics[layer].mean for s in (mixed, full)]
        np.testing.assert_allclose(*means, rtol=0.05, atol=0.01)
        assert (means[0] != means[1]).any()  # the first pass was another


def test_the_first_pass_keeps_twice_as_many_and_the_end_is_not_done_twice(images):
    net = chain(torch.float32)
    how = {"topk": 5, "precision": "mixed"}
    parts = [scan(net, images, LAYERS, share=(rank, 2), **how) for rank in range(2)]
    joined = parts[0].joined(parts[1])
    assert joined.strongest["conv1"].values.shape == (6, 10)
    assert not joined.uncertain
    read = []
    whole = finished(net, images, joined, LAYERS, topk=5, progress=lambda *now: read.append(now))
    assert whole.strongest["conv1"].values.shape == (6, 5)
    assert set(whole.uncertain) == set(LAYERS)
    assert read[-1][0] == read[-1][1] <= 90
    again = finished(net, images, whole, LAYERS, topk=5, progress=lambda *now: pytest.fail("not again"))
    assert again.uncertain == whole.uncertain
    full = scan(net, images, LAYERS, topk=5)
    assert not finished(net, images, full, LAYERS, topk=5).uncertain


def test_where_all_images_are_candidates_all_is_certain(images):
    few = dataclasses.replace(images, names=images.names[:10], labels=images.labels[:10])
    found = scan(chain(torch.float32), few, LAYERS, topk=5, precision="mixed")
    assert found.uncertain == dict.fromkeys(LAYERS, 0)


def test_near_ties_beyond_bfloat16_are_called_uncertain(tmp_path):
    for i in range(12):  # brighter from one to the next by less than eight bits can tell
        Image.new("RGB", (16, 16), (200 + i // 3, 200, 200 + (i % 3))).save(tmp_path / f"{i:02}.png")
    module = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False))
    module[0].weight = nn.Parameter(torch.tensor([[1.0, 100.0, 1.0]])[:, :, None, None])
    net = network(module, dtype=torch.float32)
    images = list_images([tmp_path])
    full, mixed = (scan(net, images, ("0",), topk=2, precision=p) for p in ("float32", "mixed"))
    assert full.strongest["0"].images.tolist() == [[11, 10]]
    assert mixed.strongest["0"].images.tolist() == [[2, 3]]
    assert mixed.uncertain == {"0": 1}


def test_silent_units_are_never_certain(images):
    found = scan(coarse(), images, ("2",), topk=3, precision="mixed")
    full = scan(coarse(), images, ("2",), topk=3)
    assert (found.strongest["2"].values == full.strongest["2"].values).all()
    assert found.uncertain["2"] >= 1


def test_an_image_that_is_gone_at_the_end_is_left_out_from_there_on(tmp_path):
    images = list_images([write_pictures(tmp_path, 40)])
    net = chain(torch.float32)
    how = {"topk": 2, "precision": "mixed", "batch_size": 4}
    joined = scan(net, images, LAYERS, share=(0, 2), **how).joined(
        scan(net, images, LAYERS, share=(1, 2), **how)
    )
    before = finished(net, images, joined, LAYERS, topk=2, batch_size=4)
    gone = int(joined.strongest["fc4"].images[0, 0])
    path = tmp_path.parent / images.names[gone]
    picture = path.read_bytes()
    path.unlink()
    told = []
    found = finished(
        net, images, joined, LAYERS, topk=2, batch_size=4, progress=lambda *now: told.append(now)
    )
    assert told[-1][0] == told[-1][1]
    assert list(found.problems) == sorted({*joined.problems, gone})
    assert found.problems[gone].endswith("does not exist, but was scanned")
    assert joined.problems.keys() == before.problems.keys()
    path.write_bytes(picture)
    for layer in LAYERS:
        candidates = joined.strongest[layer].images
        hit = (candidates == gone).any(1)
        kept, truth = found.strongest[layer], before.strongest[layer]
        for field in ("values", "images", "places"):
            assert (getattr(kept, field)[~hit] == getattr(truth, field)[~hit]).all()
        for unit in hit.nonzero()[0]:  # of the rest of all candidates, the strongest
            assert gone not in kept.images[unit]
            rest = [(i, v) for i, v in zip(truth.images[unit], truth.values[unit], strict=True) if i != gone]
            assert list(zip(kept.images[unit], kept.values[unit], strict=True))[: len(rest)] == rest
        assert before.uncertain[layer] <= found.uncertain[layer] <= before.uncertain[layer] + hit.sum()
        assert found.uncertain[layer] >= hit.sum()
        assert (found.statistics[layer].fired == before.statistics[layer].fired).all()
    assert (joined.strongest["fc4"].images == gone).any()


def test_where_all_images_are_gone_at_the_end(tmp_path):
    images = list_images([write_pictures(tmp_path, 6)])
    net = chain(torch.float32)
    how = {"topk": 3, "precision": "mixed"}
    joined = scan(net, images, ("fc4",), share=(0, 2), **how).joined(
        scan(net, images, ("fc4",), share=(1, 2), **how)
    )
    for name in images.names:
        (tmp_path.parent / name).unlink()
    with pytest.raises(DataError, match=r"none of the 6 images can be read; the first: .* was scanned"):
        finished(net, images, joined, ("fc4",), topk=3)
