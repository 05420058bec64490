"""A frozen beginning: its features are computed once, and it stays as it is."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from deconvviz.errors import TrainingError
from deconvviz.training.classifier import train_classifier
from deconvviz.training.feeding import shown
from deconvviz.training.frozen import check_beginning, put_back, replace_frozen

from .support import built, colours, leaves, quick, same, tensors, trainer

pytestmark = pytest.mark.usefixtures("cache")
FROZEN = {"freeze": "features"}


class Counted:
    """How many images a module has seen."""

    def __init__(self, module):
        self.images = 0
        module.register_forward_hook(self._count)

    def _count(self, _module, words, _output):
        self.images += len(words[0])


def scores_of(made, data, rows):
    """What the whole network says about images, on the usual way."""
    pixels = torch.from_numpy(data.train.pixels[rows])
    with torch.inference_mode():
        return made.module.eval()(shown(pixels, made, quick(), 16))


def test_features_are_computed_once():
    data = colours()
    seen = []
    for _ in range(2):
        made = built()
        counted = Counted(made.module.features)
        train = trainer(made, data, quick(**FROZEN))
        seen.append(counted.images)
        train.epoch(1, lambda *_: None)
        train.validate()
        assert counted.images == seen[-1]  # training asks for none
    assert seen[0] - seen[1] == len(data.train) + len(data.val)
    assert seen[1] <= 8  # a few, to see that it is the beginning


def test_cached_features_give_the_scores_of_the_whole_network():
    data, made = colours(), built()
    expected = scores_of(made, data, data.train.rows)
    train = trainer(made, data, quick(**FROZEN))
    feed = train._train
    assert feed.values.dtype == np.float16
    with torch.inference_mode():
        values = torch.from_numpy(feed.values[data.train.rows])
        found = train.module.eval()(feed.prepare(values, slice(None), 0))
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-2)


def test_features_of_a_memory_map():
    data = leaves(4, 2)
    assert not data.train.pixels.flags.writeable
    assert trainer(built(), data, quick(**FROZEN))._train.values.any()


def test_mirrored_views_lie_beside_the_others():
    data, made = colours(), built()
    feed = trainer(made, data, quick(flip=True, **FROZEN))._train
    assert feed.views == 2
    assert len(feed.values) == 2 * len(data.train.pixels)
    assert feed.labels.tolist() == np.repeat(data.train.labels, 2).tolist()
    mirrored = replace(
        data, train=replace(data.train, pixels=np.ascontiguousarray(data.train.pixels[:, :, ::-1]))
    )
    part = built().module.features.eval()
    for side, pixels in enumerate((data.train.pixels, mirrored.train.pixels)):
        with torch.inference_mode():
            expected = part(shown(torch.from_numpy(pixels), made, quick(), 16))
        np.testing.assert_allclose(feed.values[side::2], expected.numpy(), rtol=1e-2, atol=1e-2)


def test_an_epoch_sees_each_image_in_one_of_its_views():
    feed = trainer(built(), colours(), quick(flip=True, **FROZEN))._train
    orders = [feed.order(0, epoch) for epoch in (1, 2, 3)]
    for order in orders:
        assert sorted(order // 2) == list(range(16))
    assert {view for order in orders for view in order % 2} == {0, 1}
    assert feed.order(0, 1).tolist() == orders[0].tolist()


def test_validation_has_one_view():
    assert trainer(built(), colours(), quick(flip=True, **FROZEN))._val.views == 1


@pytest.mark.parametrize(
    ("net", "part", "says"),
    [
        ("small", "top", "it is not the beginning"),
        ("small", "features.4", "it is not the beginning"),
        ("two_ways", "features", "it is not the beginning"),
        ("small", "feature", "the network has no such part; it has features, top"),
        ("small", "features.99", "the network has no such part"),
    ],
)
def test_what_is_not_the_beginning_is_refused(net, part, says):
    made = built(net)
    before = {name: tensor.clone() for name, tensor in made.module.state_dict().items()}
    with pytest.raises(TrainingError) as caught:
        trainer(made, colours(), quick(freeze=part))
    assert str(caught.value).startswith(f"--freeze {part}: {says}")
    assert "\n" not in str(caught.value)
    assert same(made.module.state_dict(), before)


@pytest.mark.parametrize("part", ["features", "features.0"])
def test_what_is_the_beginning_is_taken(part):
    made = built()
    made.module.train()
    check_beginning(made.module, part, torch.randn(2, 3, 16, 16))
    assert made.module.training
    assert made.module.get_submodule(part) is not None
    assert not isinstance(made.module.get_submodule(part), nn.Identity)


def test_freezing_everything_is_refused():
    net = nn.Sequential(OrderedDict(all=built().module))
    with pytest.raises(TrainingError, match="--freeze all"):
        trainer(replace(built(), module=net), colours(), quick(freeze="all"))


def test_a_part_is_put_back_where_it_was():
    net = built().module
    part = replace_frozen(net, "features.4")
    assert isinstance(net.features[4], nn.Identity)
    put_back(net, "features.4", part)
    assert net.features[4] is part


def test_frozen_weights_stay_and_are_written(tmp_path):
    made, data = built(), colours()
    before = {name: tensor.clone() for name, tensor in made.module.state_dict().items()}
    train_classifier("learners:small", data, quick(**FROZEN), tmp_path / "run", built=made, progress=False)
    best = tensors(tmp_path / "run" / "best.safetensors")
    assert best.keys() == before.keys()
    for name, tensor in before.items():
        assert torch.equal(best[name], tensor) is name.startswith("features"), name


def test_a_frozen_run_goes_on(tmp_path):
    data, settings = colours(), quick(**FROZEN)
    whole = tmp_path / "whole"
    train_classifier("learners:small", data, settings, whole, built=built(), progress=False)

    class Stop(Exception):  # noqa: N818
        """After the second epoch."""

    def stop(row):
        if row["epoch"] == 2:
            raise Stop

    words = {"progress": False, "resume": False}
    with pytest.raises(Stop):
        train_classifier(
            "learners:small", data, settings, tmp_path / "cut", built=built(), after_epoch=stop, **words
        )
    words["resume"] = True
    train_classifier("learners:small", data, settings, tmp_path / "cut", built=built(), **words)
    for name in ("best.safetensors", "last.safetensors"):
        assert same(tensors(tmp_path / "cut" / name), tensors(whole / name))


CHANGES = {
    "weights": lambda data: (data, built(seed=1)),
    "the mean": lambda data: (data, replace(built(), mean=(0.2, 0.2, 0.2))),
    "the rectifier": lambda data: (data, leaky(built())),
    "the last picture": lambda data: (darker(data, -1), built()),
    "one picture": lambda data: (darker(data, 1), built()),
}


def leaky(made):
    made.module.features[6] = nn.LeakyReLU(0.5)
    return made


def darker(data, row):
    pixels = data.train.pixels.copy()
    pixels[row] //= 2
    return replace(data, train=replace(data.train, pixels=pixels))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("count", [16, 200])
def test_features_follow_what_they_are_made_of(change, count):
    data = colours(count)
    trainer(built(), data, quick(**FROZEN))  # leaves its features in the cache
    data, made = CHANGES[change](data)
    expected = scores_of(made, data, data.train.rows)
    train = trainer(made, data, quick(**FROZEN))
    with torch.inference_mode():
        found = train.module.eval()(torch.from_numpy(train._train.values[data.train.rows]).float())
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-2)


def test_features_of_larger_images_are_their_own():
    data, made = colours(), built()
    pooled = nn.Sequential(OrderedDict(features=nn.Sequential(made.module.features, nn.AdaptiveAvgPool2d(4))))
    pooled.add_module("top", made.module.top)
    for side in (16, 24):
        net = replace(made, module=pooled, input_size=side)
        pixels = torch.from_numpy(data.train.pixels)
        with torch.inference_mode():
            expected = pooled.eval().features(shown(pixels, net, quick(), side)).numpy()
        part = pooled.features
        values = trainer(net, data, quick(**FROZEN))._train.values
        np.testing.assert_allclose(values, expected, rtol=1e-2, atol=1e-2)
        put_back(pooled, "features", part)
