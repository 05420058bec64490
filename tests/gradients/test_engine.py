"""Projection by automatic differentiation equals the explicit mirror wherever that one works."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from deconvviz import project_trace, record
from deconvviz.deconvnet import (
    ContrastNormalisation,
    Projection,
    Rectification,
    Rules,
    Trace,
    Unit,
    Unpooling,
    strongest,
)
from deconvviz.errors import LayerError, ModelError, UnitError, WeightsError
from deconvviz.gradients.descent import descend
from deconvviz.gradients.projection import has_mirror, project_by_autograd
from deconvviz.models import Network, paper_names

from .. import strategies as some
from ..oracle import autograd_twin, relative_error
from ..strategies import Case, drawn, noise, randomised
from .support import architecture, as_network

RULES = st.builds(
    Rules, st.sampled_from(Rectification), st.sampled_from(Unpooling), st.sampled_from(ContrastNormalisation)
)
START = st.fixed_dictionaries(
    {"seed": st.sampled_from(["one", "activation"]), "source": st.sampled_from(["strongest", "map", "layer"])}
)


def units_of(trace: Trace, layer: str) -> list[Unit]:
    """Units of both images: of a corner, an edge, the middle and the strongest place of the map."""
    features = trace.features(layer)
    if features.ndim == 2:
        return [Unit(layer, channel, image=image) for channel in (0, 2) for image in (1, 0)]
    height, width = features.shape[2:]
    places = [(0, 0), (height - 1, width // 2), (height // 2, 0)]
    return [*(Unit(layer, i % 2, *p, image=i % 2) for i, p in enumerate(places)), Unit(layer, 1, image=1)]


def check(found: Projection, wanted: Projection) -> None:
    """Equal pixels, and all that is said of them."""
    assert relative_error(found.pixels, wanted.pixels).max() < 1e-10
    assert found.units == wanted.units
    assert found.source == wanted.source
    torch.testing.assert_close(found.activations, wanted.activations, rtol=1e-12, atol=1e-12)


@given(some.chains(), RULES, START)
@drawn(40)
def test_random_chains(case: Case, rules: Rules, start: dict[str, Any]) -> None:
    last = str(len(case.net) - 1)
    trace = record(case.net, case.images, [last])
    units = units_of(trace, last)
    found = project_by_autograd(case.net, case.images, units, rules=rules, **start)
    wanted = project_trace(trace, units, rules=rules, **start)
    check(found, wanted)
    exact = not any(isinstance(layer, nn.AdaptiveAvgPool2d) for layer in case.net)
    for ours, mirrors in zip(_axes(found), _axes(wanted), strict=True):
        (first, size, side), (begin, whole, _) = ours, mirrors
        if not exact or not whole < side:
            continue
        assert (first, size) in ((begin, whole), (0, side))
    for (top, left, height, width), seen in zip(found.windows.tolist(), found.pixels, strict=True):
        outside = seen.clone()
        outside[:, top : top + height, left : left + width] = 0
        assert not outside.any()


def _axes(projection: Projection) -> list[tuple[int, int, int]]:
    """Where each unit's uncut window begins, how long it is, and the image's side: rows, then columns."""
    sides = projection.pixels.shape[2:]
    return [(w[a], w[a + 2], sides[a]) for w in projection.uncut.tolist() for a in (0, 1)]


WINDOWED = {
    "chain": [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 3, 3, padding=1), nn.ReLU()],
    "padded": [nn.Conv2d(3, 4, 5, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1, ceil_mode=True)],
    "dilated": [
        nn.Conv2d(3, 2, 3, dilation=2),
        nn.BatchNorm2d(2),
        nn.LocalResponseNorm(3),
        nn.AvgPool2d(3, 2),
    ],
    "kernels of two sides": [nn.Conv2d(3, 3, (1, 5), (2, 1), (0, 2)), nn.ReLU6(), nn.Dropout()],
}


@pytest.mark.parametrize("layers", WINDOWED.values(), ids=list(WINDOWED))
def test_windows_are_the_mirrors(layers: list[nn.Module]) -> None:
    net, images = randomised(nn.Sequential(*layers), 1), noise(2, 2, 3, 30, 34)
    last = str(len(net) - 1)
    trace = record(net, images, [last])
    height, width = trace.features(last).shape[2:]
    units = [*units_of(trace, last), Unit(last, 0, height // 2, width // 2)]
    found, wanted = project_by_autograd(net, images, units), project_trace(trace, units)
    check(found, wanted)
    assert found.uncut.tolist() == wanted.uncut.tolist()
    inside = [k for k, window in enumerate(wanted.uncut.tolist()) if window == wanted.windows[k].tolist()]
    assert inside
    assert found.windows[inside].tolist() == wanted.windows[inside].tolist()


@pytest.fixture(scope="module")
def alexnet() -> Network:
    module = architecture("alexnet").double()
    return as_network(module, "alexnet", paper_names=paper_names(module, blocks=False))


@pytest.mark.parametrize(
    ("layer", "rules", "start"),
    [
        ("conv1", Rules(Rectification.DECONVNET), {"seed": "one"}),
        ("conv3", Rules(Rectification.GUIDED), {}),
        ("pool5", Rules(Rectification.DECONVNET, Unpooling.CENTRE), {"source": "map"}),
        ("conv4", Rules(Rectification.DECONVNET), {"source": "layer"}),
        ("fc8", Rules(Rectification.GRADIENT, lrn=ContrastNormalisation.TRANSPOSE), {}),
    ],
    ids=["conv1", "conv3", "pool5", "conv4", "fc8"],
)
def test_alexnet(
    alexnet: Network, photo_like: Tensor, layer: str, rules: Rules, start: dict[str, Any]
) -> None:
    images = photo_like[..., 40:168, 60:188]  # the adaptive pool takes any
    trace = record(alexnet, images, [layer])
    units = strongest(trace, layer, 2)
    found = project_by_autograd(alexnet, images, units, rules=rules, **start)
    wanted = project_trace(trace, units, rules=rules, **start)
    assert wanted.pixels.any()
    check(found, wanted)
    if layer in ("conv1", "conv3") and not start.get("source"):
        assert found.windows.tolist() == wanted.windows.tolist()
        assert found.uncut.tolist() == wanted.uncut.tolist()


class Residual(nn.Module):
    """Two ways around, one of them empty; the sum is rectified."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv, self.relu = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(True)
        randomised(self, 7)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.relu(self.stem(images))
        out: Tensor = self.relu(maps + self.conv(maps))
        return out


@pytest.mark.parametrize("rule", list(Rectification), ids=lambda rule: rule.value)
def test_branches_carry_the_sum_of_their_signals(rule: Rectification) -> None:
    net, images, unit = Residual(), noise(1, 1, 3, 9, 9), Unit("conv", 2, 3, 4)
    found = project_by_autograd(net, images, [unit], rules=Rules(rule), seed="one")
    signal = torch.zeros(1, 4, 7, 7).double()
    signal[0, 2, 3, 4] = 1
    wanted = autograd_twin([net.stem, nn.ReLU(), net.conv], images, signal, rule)
    assert relative_error(found.pixels, wanted).max() < 1e-12
    below = descend(net, images, [""], Rules(rule)).pixels("", signal)
    kernel = net.conv.weight.clone()
    kernel[range(4), range(4), 1, 1] += 1  # the empty way is a kernel of one
    both = nn.Conv2d(4, 4, 3, padding=1).double()
    both.weight, both.bias = nn.Parameter(kernel), net.conv.bias
    chain = [net.stem, nn.ReLU(), both, nn.ReLU()]
    assert relative_error(below, autograd_twin(chain, images, signal, rule)).max() < 1e-12


def test_which_networks_have_a_mirror() -> None:
    chain, images = WINDOWED["chain"], noise(2, 1, 3, 12, 12)
    assert has_mirror(record(nn.Sequential(*chain).double(), images, ["4"]), "4", Rules())
    trace = record(Residual(), images, ["stem", "relu"])
    assert has_mirror(trace, "stem", Rules())
    trace = record(nn.Sequential(Residual(), nn.Conv2d(4, 2, 1).double()), images, ["1"])
    assert not has_mirror(trace, "1", Rules())


def test_a_layer_that_nothing_arrives_from() -> None:
    class Constant(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.new_ones(len(images), 2, 3, 3)

    net = nn.Sequential(Constant(), nn.ReLU())
    found = project_by_autograd(net, noise(0, 1, 3, 8, 8), [Unit("1", 0, 1, 1)])
    assert not found.pixels.any()
    assert found.pixels.shape == (1, 3, 8, 8)


def test_what_is_refused() -> None:
    net, images, unit = Residual(), noise(1, 1, 3, 9, 9), Unit("conv", 0)
    for units, says in (
        ([], "no units"),
        ([unit, Unit("stem", 0)], "got conv, stem"),
        ([Unit("conv", 4)], "no unit 4 in conv"),
        ([replace(unit, row=7, column=0)], r"no place \(7, 0\)"),
        ([replace(unit, image=1)], "no image 1"),
    ):
        with pytest.raises(UnitError, match=says):
            project_by_autograd(net, images, units)
    with pytest.raises(LayerError, match="did you mean 'conv'"):
        project_by_autograd(net, images, [Unit("cnv", 0)])
    with pytest.raises(ModelError, match="do not pass the network"):
        project_by_autograd(net, images[:, :2], [unit])
    net.conv.weight.data[0] = torch.inf
    with pytest.raises(WeightsError, match=r"'conv\.weight'"):
        project_by_autograd(net, images, [unit])
