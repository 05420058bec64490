"""Filter health finds what was planted, and nothing in a network where nothing was."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch
from torch import nn

from deconvviz.errors import LayerError, WeightsError
from deconvviz.experiments import twins as twins_module
from deconvviz.experiments.advice import ADVICE, findings, listed
from deconvviz.experiments.filter_health import filter_health
from deconvviz.experiments.filter_layers import filter_layers, without_weights
from deconvviz.experiments.twins import twins
from deconvviz.models.load import preset
from deconvviz.models.network import Network, WeightsOrigin

NAMES = {"conv1": "1", "pool1": "2", "conv2": "4", "fc3": "7", "fc4": "8"}
BATCHES = [torch.randn(4, 3, 24, 24, generator=torch.Generator().manual_seed(5))]


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def clean(stride=1):
    """A small network whose first kernels are smooth, and whose units fire now and then."""
    net = nn.Sequential(
        nn.Conv2d(3, 16, 7, stride=stride, padding=3), nn.ReLU(), nn.AdaptiveMaxPool2d(6),
        nn.Conv2d(16, 24, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Linear(4, 8), nn.ReLU(),
        nn.Linear(8, 8),
    )  # fmt: skip
    with torch.no_grad():
        for i, layer in enumerate(m for m in net if isinstance(m, nn.Conv2d | nn.Linear)):
            layer.weight.copy_(0.1 * noise(*layer.weight.shape, seed=i))
            layer.bias.zero_()
        coarse = nn.functional.interpolate(noise(16, 3, 2, 2, seed=9), 7, mode="bilinear", align_corners=True)
        net[0].weight.copy_(0.1 * coarse)
    return net


def network(net, names=None):
    return Network("net", net.eval(), preset(True, 24), WeightsOrigin("w.pth"), names or {})


def found_in(net, batches=None):
    return {(f.layer, f.kind): f.units for f in findings(filter_health(network(net), (), batches))}


def test_nothing_is_found_where_nothing_is_wrong():
    assert found_in(clean()) == {}
    found = found_in(clean(), BATCHES)
    assert {kind for _, kind in found} <= {"rare", "always"}  # four images are few


def test_a_zeroed_filter():
    net = clean()
    nn.init.zeros_(net[3].weight.data[5])
    assert found_in(net) == {("3", "zero"): (5,)}
    assert found_in(net, BATCHES)["3", "dead"] == (5,)


def test_a_filter_that_its_bias_silences():
    net = clean()
    net[3].bias.data[[2, 9]] = -1e6
    assert found_in(net) == {}
    assert found_in(net, BATCHES)["3", "dead"] == (2, 9)
    net[3].bias.data[2] = 1e6
    assert 2 in found_in(net, BATCHES)["3", "always"]


@pytest.mark.parametrize("factor", [1, 0.3, 3])
def test_a_copied_filter(factor):
    net = clean()
    net[3].weight.data[20] = factor * net[3].weight.data[4]
    net[0].weight.data[7] = net[0].weight.data[1] + 0.001 * noise(3, 7, 7)
    assert found_in(net) == {("0", "twins"): (7,), ("3", "twins"): (20,)}


def test_a_filter_turned_round_is_told_but_no_fault():
    net = clean()
    net[3].weight.data[20] = -net[3].weight.data[4]
    assert found_in(net) == {}
    one = filter_health(network(net), ["3"])[0]
    assert one.twins.opposite.tolist() == [[4, 20]]


@pytest.mark.parametrize("path", [0, 3, 6, 8])
def test_a_filter_scaled_by_20(path):
    net = clean()
    net[path].weight.data[3] *= 20
    assert found_in(net) == {(str(path), "dominant"): (3,)}


def test_a_filter_without_numbers():
    net = clean()
    net[3].weight.data[6, 0, 0, 0] = torch.nan
    assert found_in(net, BATCHES) == {("3", "broken"): (6,)}
    one = filter_health(network(net), ["3"], BATCHES)[0]
    assert one.firings is None
    assert math.isfinite(one.median)


def test_high_frequencies_at_stride_4():
    stripes = torch.ones(3, 7, 7)
    stripes[:, :, ::2] = -1
    for stride, expected in ((4, {("0", "aliasing"): (2, 11)}), (1, {})):
        net = clean(stride)
        net[0].weight.data[2], net[0].weight.data[11] = 0.1 * stripes, 0.05 * stripes.mT
        low = [u for u in range(16) if u not in (2, 11)]
        assert found_in(net) == expected
        first = filter_health(network(net), ["0"])[0].first
        assert (first.aliasing[[2, 11]] > 0.9).all() == (stride == 4)
        assert (first.aliasing[low] < 0.5).all()


def test_noise_in_the_first_layer_only():
    net = clean()
    net[0].weight.data[[1, 8]] = 0.1 * noise(2, 3, 7, 7, seed=3)
    assert found_in(net) == {("0", "rough"): (1, 8)}
    assert [one.first is None for one in filter_health(network(net))] == [False, True, True, True]


def test_small_kernels_have_no_grain():
    net = nn.Sequential(nn.Conv2d(3, 40, 3))
    assert found_in(net) == {}
    assert (filter_health(network(net))[0].first.smoothness < 0.5).any()


def test_medians_are_those_of_filters_that_are_there():
    net = clean()
    nn.init.zeros_(net[3].weight.data[:20])
    one = filter_health(network(net), ["3"])[0]
    slow = [math.sqrt(sum(v * v for v in f.flatten().tolist()) / f.numel()) for f in net[3].weight.data]
    assert one.rms.tolist() == pytest.approx(slow)
    assert one.median == pytest.approx(sum(sorted(slow)[21:23]) / 2)
    assert (one.dominant, one.zero, one.zeros) == ((), tuple(range(20)), pytest.approx(20 / 24))
    assert one.above == tuple(u for u in range(24) if slow[u] > 0.1)


@pytest.mark.parametrize("groups", [1, 2, 12])
def test_twins_are_those_of_a_slow_search(groups, monkeypatch):
    monkeypatch.setattr(twins_module, "_ROWS", 5)  # several blocks
    weight = noise(24, 2, 2, 1).double()
    weight[[3, 17]] = 0
    slow = {}
    for a, b in combinations(range(24), 2):
        one, other = weight[a].flatten(), weight[b].flatten()
        if a // (24 // groups) == b // (24 // groups) and one.any() and other.any():
            cosine = float(one @ other / one.norm() / other.norm())
            if abs(cosine) > 0.7:
                slow[a, b] = cosine
    found = twins(weight, groups, 0.7)
    pairs = [tuple(pair) for pair in found.pairs.tolist()]
    assert sorted(pairs) == sorted(slow)
    assert found.cosines.tolist() == pytest.approx([slow[pair] for pair in pairs])
    assert found.cosines.tolist() == sorted(found.cosines.tolist(), reverse=True)
    assert found.spare == tuple(sorted({b for (_, b), cosine in slow.items() if cosine > 0}))
    assert groups > 1 or (len(found.alike) and len(found.opposite))


def test_too_few_weights_have_no_direction():
    assert len(twins(torch.ones(5, 3)).pairs) == 0
    assert len(twins(torch.ones(5, 4)).pairs) == 10


def test_layers_go_by_the_papers_names():
    net = network(clean(), NAMES)
    assert [(one.name, one.path, one.kernel) for one in filter_layers(net)] == [
        ("conv1", "0", "3×7×7"),
        ("conv2", "3", "16×3×3"),
        ("fc3", "6", "4"),
        ("fc4", "8", "8"),
    ]
    assert [one.name for one in filter_layers(net, ["4", "conv1", "8"])] == ["conv1", "conv2", "fc4"]
    with pytest.raises(LayerError, match="'pool1' has no filters; there are: conv1, conv2, fc3, fc4"):
        filter_layers(net, ["pool1"])
    with pytest.raises(LayerError, match="no layer 'conv9'"):
        filter_layers(net, ["conv9"])
    with pytest.raises(LayerError, match="net has no convolution or linear layer"):
        filter_layers(network(nn.Sequential(nn.ReLU())))


def test_weights_that_end_early():
    net = clean()
    net[6].to("meta")
    net[8].to("meta")
    known = network(net, NAMES)
    assert without_weights(known) == ["fc3", "fc4"]
    assert [one.layer.name for one in filter_health(known, (), BATCHES)] == ["conv1", "conv2"]
    with pytest.raises(WeightsError, match="no values for 'fc3'"):
        filter_health(known, ["fc3"])


def test_depthwise_filters_are_never_copies():
    net = nn.Sequential(nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 3, groups=6, bias=False), nn.ReLU())
    nn.init.constant_(net[1].weight, 0.2)
    first, depthwise = filter_health(network(net), (), BATCHES)
    assert (depthwise.layer.kernel, depthwise.layer.groups) == ("1×3×3", 6)
    assert len(depthwise.twins.pairs) == 0
    assert len(depthwise.above) == 6
    assert depthwise.firings is not None
    assert first.firings is None


def test_the_gravest_comes_first_and_every_kind_has_its_advice():
    net = clean(4)
    net[3].weight.data[1] = 0
    net[6].weight.data[1] *= 20
    found = findings(filter_health(network(net)))
    kinds = [f.kind for f in found]
    assert kinds == sorted(kinds, key=list(ADVICE).index)
    assert kinds[:2] == ["dominant", "zero"]
    assert found[0].fact == "1 of 8 filters exceed 5 times their layer's median RMS"
    assert "--renormalise 0.1" in found[0].advice
    assert listed(range(9)) == "0, 1, 2, 3, 4, 5, 6, 7 and 1 more"
