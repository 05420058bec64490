"""What must hold for every mirror: zero, linearity, homogeneity, batches, seeds, and one net by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from deconvviz import project, project_trace, record
from deconvviz.deconvnet import (
    ContrastNormalisation,
    Rectification,
    Rules,
    Unit,
    Unpooling,
    mirror,
    strongest,
)
from deconvviz.errors import LayerError, UnitError

from .. import strategies as some
from ..oracle import autograd_twin, relative_error
from ..strategies import Case, drawn, noise

ALL_RULES = st.builds(
    Rules,
    st.sampled_from(list(Rectification)),
    st.sampled_from(list(Unpooling)),
    st.sampled_from(list(ContrastNormalisation)),
)
RULES = pytest.mark.parametrize("rule", list(Rectification), ids=lambda rule: rule.value)


def last_of(case: Case) -> str:
    return str(len(case.net) - 1)


def small_net(seed: int = 0) -> nn.Module:
    layers = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(4, 5, 3), nn.ReLU()]
    return some.randomised(nn.Sequential(*layers, nn.Flatten(), nn.Linear(45, 6)), seed)


@given(some.chains(), st.sampled_from(list(Rectification)), st.booleans())
@drawn(80)
def test_random_chains_equal_the_autograd_twin(case: Case, rule: Rectification, lrn_passes: bool) -> None:
    trace = record(case.net, case.images, [last_of(case)])
    signal = noise(9, *trace.features(last_of(case)).shape)
    lrn = ContrastNormalisation.IDENTITY if lrn_passes else ContrastNormalisation.TRANSPOSE
    found = mirror(trace, last_of(case), Rules(rule, lrn=lrn))(signal)
    assert relative_error(found, autograd_twin(case.net, case.images, signal, rule, lrn_passes)).max() < 1e-10


@given(some.chains(), ALL_RULES)
@drawn(50)
def test_zero_gives_exactly_zero(case: Case, rules: Rules) -> None:
    trace = record(case.net, case.images, [last_of(case)])
    zeros = torch.zeros_like(trace.features(last_of(case)))
    assert not mirror(trace, last_of(case), rules)(zeros).any()


@given(some.chains())
@drawn(50)
def test_the_gradient_rule_is_linear(case: Case) -> None:
    trace = record(case.net, case.images, [last_of(case)])
    net = mirror(trace, last_of(case), Rules(Rectification.GRADIENT))
    shape = trace.features(last_of(case)).shape
    a, b = noise(1, *shape), noise(2, *shape)
    assert relative_error(net(2 * a - 3 * b), 2 * net(a) - 3 * net(b)).max() < 1e-10


@given(some.chains(), ALL_RULES)
@drawn(50)
def test_every_rule_is_positively_homogeneous(case: Case, rules: Rules) -> None:
    trace = record(case.net, case.images, [last_of(case)])
    net = mirror(trace, last_of(case), rules)
    signal = noise(1, *trace.features(last_of(case)).shape)
    assert relative_error(net(3.5 * signal), 3.5 * net(signal)).max() < 1e-10


@RULES
def test_one_times_the_activation_is_the_activation(rule: Rectification) -> None:
    net, images = small_net(), noise(1, 1, 3, 13, 13)
    trace = record(net, images, ["4"])
    units = strongest(trace, "4", 2)
    own, one = (project_trace(trace, units, rules=Rules(rule), seed=s) for s in ("activation", "one"))
    assert (own.activations > 0).all()
    assert relative_error(own.pixels, one.pixels * own.activations.view(-1, 1, 1, 1)).max() < 1e-12


@pytest.mark.parametrize("layer", ["4", "6"])
def test_seed_one_starts_from_one_also_where_the_unit_is_silent(layer: str) -> None:
    net, images = small_net(), noise(1, 1, 3, 13, 13)
    if layer == "6":
        net.append(nn.ReLU())
        layer = "7"
    features = record(net, images, [layer]).features(layer)[0].flatten(1 if layer == "4" else 0)
    channel, place = torch.nonzero(features.reshape(features.shape[0], -1) == 0)[0].tolist()
    unit = Unit(layer, channel, *(divmod(place, 3) if layer == "4" else ()))
    assert not project(net, images, [unit]).pixels.any()
    assert project(net, images, [unit], seed="one").pixels.any()


@given(some.chains(images=3), st.sampled_from(list(Rectification)))
@drawn(40)
def test_a_batch_equals_its_images_one_by_one(case: Case, rule: Rectification) -> None:
    last = last_of(case)
    trace = record(case.net, case.images, [last])
    units = strongest(trace, last, 2)
    together = project_trace(trace, units, rules=Rules(rule))
    for k, unit in enumerate(units):
        alone = case.images[unit.image : unit.image + 1]
        single = Unit(last, unit.channel, unit.row, unit.column)
        wanted = project(case.net, alone, [single], rules=Rules(rule))
        assert relative_error(together.pixels[k : k + 1], wanted.pixels).max() < 1e-10
        torch.testing.assert_close(together.activations[k : k + 1], wanted.activations)


@RULES
@pytest.mark.parametrize("windowed", [True, False])
@pytest.mark.parametrize("layer", ["2", "4", "6"])
def test_a_whole_map_as_the_source(layer: str, windowed: bool, rule: Rectification) -> None:
    net, images = small_net(), noise(1, 2, 3, 13, 13)
    features = record(net, images, [layer]).features(layer)
    units = [Unit(layer, 1, image=1), Unit(layer, 3, image=0)]
    found = project(net, images, units, rules=Rules(rule), source="map", windowed=windowed)
    chain = list(net)[: int(layer) + 1]
    for k, unit in enumerate(units):
        signal = torch.zeros_like(features[unit.image, None])
        signal[0, unit.channel] = features[unit.image, unit.channel]
        wanted = autograd_twin(chain, images[unit.image, None], signal, rule)
        assert relative_error(found.pixels[k, None], wanted).max() < 1e-10
        assert found.activations[k] == features[unit.image, unit.channel].max()


@RULES
@pytest.mark.parametrize("windowed", [True, False])
@pytest.mark.parametrize("layer", ["2", "4", "6"])
def test_a_whole_layer_as_the_source(layer: str, windowed: bool, rule: Rectification) -> None:
    net, images = small_net(), noise(1, 3, 3, 13, 13)
    features = record(net, images, [layer]).features(layer)
    units = [Unit(layer, 1, image=2), Unit(layer, 3, image=0), Unit(layer, 0, image=2)]
    found = project(net, images, units, rules=Rules(rule), source="layer", windowed=windowed)
    chain = list(net)[: int(layer) + 1]
    for k, unit in enumerate(units):
        wanted = autograd_twin(chain, images[unit.image, None], features[unit.image, None], rule)
        assert relative_error(found.pixels[k, None], wanted).max() < 1e-10
        assert found.activations[k] == features[unit.image].max()
        assert found.windows[k].tolist() == [0, 0, 13, 13]
    assert found.source == "layer"
    assert torch.equal(found.pixels[0], found.pixels[2])  # a unit only says of which image
    ones = project(net, images, units[:1], rules=Rules(rule), source="layer", seed="one").pixels
    wanted = autograd_twin(chain, images[2, None], (features[2, None] != 0).double(), rule)
    assert relative_error(ones, wanted).max() < 1e-10


def test_a_layer_is_the_sum_of_its_maps_under_the_gradient_rule() -> None:
    net, images, rules = small_net(), noise(1, 1, 3, 13, 13), Rules(Rectification.GRADIENT)
    units = [Unit("4", channel) for channel in range(5)]
    maps = project(net, images, units, rules=rules, source="map").pixels
    layer = project(net, images, units[:1], rules=rules, source="layer").pixels
    assert relative_error(layer, maps.sum(0, keepdim=True)).max() < 1e-10


def test_a_negative_score_is_followed_by_what_lowers_it() -> None:
    net, images = small_net(seed=4), noise(1, 1, 3, 13, 13)
    scores = record(net, images, ["6"]).features("6")[0]
    channel = int(scores.argmin())
    assert scores[channel] < 0
    signal = torch.zeros(1, 6, dtype=torch.float64)
    signal[0, channel] = scores[channel]
    found = project(net, images, [Unit("6", channel)])
    wanted = autograd_twin(net, images, signal, Rectification.DECONVNET)
    assert relative_error(found.pixels, wanted).max() < 1e-10
    assert found.activations[0] == scores[channel]
    raised = project(net, images, [Unit("6", channel)], seed="one").pixels * scores[channel]
    assert relative_error(raised, wanted).max() > 1e-3


def test_signals_that_share_a_switch_are_summed() -> None:
    # Two 2x2 windows at stride 1 on the row [0 5 1]: both take the 5, which then gets 5 + 5.
    net = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False), nn.MaxPool2d((1, 2), 1)).double()
    nn.init.constant_(net[0].weight, 1.0)
    images = torch.tensor([0.0, 5.0, 1.0], dtype=torch.float64).view(1, 1, 1, 3).repeat(1, 3, 1, 1) / 3
    found = project(net, images, [Unit("1", 0)], source="map").pixels
    wanted = torch.tensor([0.0, 10.0, 0.0], dtype=torch.float64).expand(1, 3, 1, 3)
    torch.testing.assert_close(found, wanted)


def test_pixels_are_signed_and_the_last_filtering_is_not_rectified() -> None:
    net = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False), nn.ReLU()).double()
    net[0].weight.data = torch.tensor([1.0, -1.0, 0.5], dtype=torch.float64).view(1, 3, 1, 1)
    images = torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64).view(1, 3, 1, 1)
    found = project(net, images, [Unit("1", 0)]).pixels.flatten()
    torch.testing.assert_close(found, torch.tensor([1.0, -1.0, 0.5], dtype=torch.float64))


def test_units_of_several_layers_are_refused() -> None:
    net, images = small_net(), noise(1, 1, 3, 13, 13)
    with pytest.raises(UnitError, match="units of one layer are projected together; got 1, 4"):
        project(net, images, [Unit("1", 0), Unit("4", 0)])
    with pytest.raises(UnitError, match="no units"):
        project(net, images, [])
    with pytest.raises(UnitError, match="no units"):
        project_trace(record(net, images, ["4"]), [])
    with pytest.raises(LayerError, match="'1' was not recorded; recorded: 4"):
        project_trace(record(net, images, ["4"]), [Unit("1", 0)])
