"""When layers settle: distances by hand, settled epochs of made-up series, which layers have filters."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from deconvviz.errors import TrainingError, WeightsError
from deconvviz.experiments.settling import MEASURES, distances, filters_of, settled_epoch, settling

from .stand_ins import StandIn, snapshots


def test_distances_by_hand():
    turned = torch.tensor([[math.cos(math.pi / 6), math.sin(math.pi / 6)], [0.0, 5.0]], dtype=torch.float64)
    found = distances(turned, torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    assert found["angle"] == pytest.approx((30 + 0) / 2)
    assert found["cosine"] == pytest.approx((1 - math.sqrt(3) / 2) / 2)
    far = (math.cos(math.pi / 6) - 1) ** 2 + 0.5**2 + 3**2
    assert found["relative"] == pytest.approx(math.sqrt(far / (1 + 4)))


def test_distances_against_plain_numpy():
    random = np.random.default_rng(0)
    f, g = (random.normal(size=(600, 20)) for _ in range(2))  # more than are compared at once
    cosines = [a @ b / math.sqrt((a @ a) * (b @ b)) for a, b in zip(f, g, strict=True)]
    found = distances(torch.from_numpy(f), torch.from_numpy(g))
    assert found["angle"] == pytest.approx(np.mean([math.degrees(math.acos(c)) for c in cosines]))
    assert found["cosine"] == pytest.approx(np.mean([1 - c for c in cosines]))
    assert found["relative"] == pytest.approx(np.linalg.norm(f - g) / np.linalg.norm(g))


def test_a_filters_length_does_not_turn_it():
    filters = torch.randn(5, 9, generator=torch.Generator().manual_seed(0))
    assert distances(filters, filters) == dict.fromkeys(MEASURES, 0.0)
    scaled = distances(filters * torch.tensor([[0.5], [2.0], [1e-3], [7.0], [1.0]]), filters)
    assert scaled["angle"] == pytest.approx(0, abs=1e-4)
    assert scaled["relative"] > 1
    assert distances(-filters, filters)["angle"] == pytest.approx(180)


def test_filters_of_zeros():
    one, nothing = torch.ones(1, 4), torch.zeros(1, 4)
    assert distances(nothing, nothing) == dict.fromkeys(MEASURES, 0.0)
    assert distances(one, nothing) == {"angle": 90.0, "cosine": pytest.approx(1.0), "relative": math.inf}
    assert distances(nothing, one) == {"angle": 90.0, "cosine": pytest.approx(1.0), "relative": 1.0}


@pytest.mark.parametrize(
    ("series", "epoch"),
    [
        ([40, 30, 9, 3, 0], 5),
        ([9, 8, 5, 3, 0], 1),
        ([40, 9, 30, 3, 0], 10),  # it went away again
        ([40, 30, 20, 11, 0], None),
        ([40, 30, 20, 10, 0], None),  # not below
        ([40, math.nan, 5, 3, 0], 5),
    ],
)
def test_settled_epochs_of_made_up_series(series, epoch):
    assert settled_epoch([1, 2, 5, 10, 20], series, within=10) == epoch


def test_a_run():
    taken = snapshots()
    found = settling(taken)
    assert found.epochs == (1, 2, 5)
    assert found.layers == ("conv1", "conv2", "fc3", "fc4")
    assert found.filters == (6, 5, 7, 3)
    paths = dict(zip(found.layers, (0, 3, 6, 8), strict=True))
    weights = [
        {
            layer: s.module[i].weight.detach().reshape(len(s.module[i].weight), -1)
            for layer, i in paths.items()
        }
        for s in taken
    ]
    for name in MEASURES:
        assert found.to_last[name].shape == (4, 3)
        assert found.between[name].shape == (4, 2)
        assert not found.to_last[name][:, -1].any()
        for i, layer in enumerate(found.layers):
            for e in range(2):
                first, second, last = weights[e][layer], weights[e + 1][layer], weights[-1][layer]
                assert found.to_last[name][i, e] == pytest.approx(distances(first, last)[name])
                assert found.between[name][i, e] == pytest.approx(distances(second, first)[name])
    assert (found.to_last["angle"][:, :2] > 45).all()  # unrelated networks
    assert found.settled(15) == (None,) * 4
    assert found.settled(180) == (1,) * 4


def test_layers_settle_one_by_one():
    taken = snapshots()
    for snapshot in taken[:-1]:
        snapshot.module[0].weight.data.copy_(taken[-1].module[0].weight * snapshot.epoch)
    taken[1].module[6].weight.data.copy_(taken[-1].module[6].weight)
    assert settling(taken).settled(5) == (1, None, 2, None)


def test_layers_without_a_name_go_by_their_path():
    build = lambda: nn.Sequential(nn.Conv2d(3, 2, 3, bias=False), nn.BatchNorm2d(2), nn.ReLU())  # noqa: E731
    assert settling(snapshots(build, (1, 2), {})).layers == ("0",)


def test_what_cannot_be_compared():
    with pytest.raises(TrainingError, match="it takes two"):
        settling(snapshots(epochs=(1,)))
    taken = snapshots(epochs=(1, 2))
    with torch.no_grad():
        taken[0].module[3].weight[1, 0, 0, 0] = float("inf")
    with pytest.raises(WeightsError, match=r"epoch\.safetensors holds NaN or infinity .* conv2"):
        settling(taken)
    assert list(filters_of(StandIn(1, nn.Sequential(nn.Linear(2, 3)), {}))) == ["0"]
