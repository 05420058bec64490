"""Units: the strongest against sorting everything, and units that do not exist."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from deconvviz import Unit, project, record, strongest
from deconvviz.deconvnet.units import activations_of, placed, strongest_units
from deconvviz.errors import UnitError

from ..strategies import drawn, noise


@st.composite
def features(draw: st.DrawFn) -> Tensor:
    """(N, C, H, W) maps of few different values, so that ties abound."""
    shape = [draw(st.integers(1, n)) for n in (2, 5, 4, 4)]
    count = shape[0] * shape[1] * shape[2] * shape[3]
    values = draw(st.lists(st.integers(-2, 3), min_size=count, max_size=count))
    return torch.tensor(values, dtype=torch.float32).view(shape)


def every_place(image: Tensor) -> list[tuple[float, int, int, int]]:
    """(-value, channel, row, column) of every activation, strongest first, ties in order of place."""
    channels, height, width = image.shape
    return sorted(
        (-image[c, i, j].item(), c, i, j)
        for c in range(channels)
        for i in range(height)
        for j in range(width)
    )


@given(features(), st.data())
@drawn(150)
def test_strongest_activations_by_sorting_everything(maps: Tensor, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, maps[0].numel()))
    found = strongest_units(maps, "layer", k, "activation")
    wanted = [
        Unit("layer", c, i, j, image)
        for image in range(len(maps))
        for _, c, i, j in every_place(maps[image])[:k]
    ]
    assert found == wanted


@given(features(), st.data())
@drawn(150)
def test_strongest_maps_by_sorting_everything(maps: Tensor, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, maps.shape[1]))
    wanted = []
    for image in range(len(maps)):
        first: dict[int, tuple[int, int]] = {}
        for _, c, i, j in every_place(maps[image]):
            first.setdefault(c, (i, j))
        wanted += [Unit("layer", c, *place, image) for c, place in list(first.items())[:k]]
    assert strongest_units(maps, "layer", k) == wanted


@pytest.mark.parametrize("by", ["map", "activation"])
def test_strongest_fc_units(by: str) -> None:
    scores = torch.tensor([[1.0, 3.0, 3.0, -1.0], [0.0, -2.0, 5.0, 5.0]])
    found = strongest_units(scores, "fc8", 3, by)
    assert [(u.image, u.channel) for u in found] == [(0, 1), (0, 2), (0, 0), (1, 2), (1, 3), (1, 0)]
    assert all(u.row is None and u.column is None for u in found)
    assert activations_of(found, scores).tolist() == [3.0, 3.0, 1.0, 5.0, 5.0, 0.0]
    assert activations_of(found, scores, "layer").tolist() == [3.0, 3.0, 3.0, 5.0, 5.0, 5.0]


def test_activations_of_what_is_projected() -> None:
    maps = torch.arange(24.0).reshape(1, 2, 3, 4)
    units = [Unit("layer", 0, 1, 2), Unit("layer", 1, 0, 0)]
    assert activations_of(units, maps).tolist() == [6.0, 12.0]
    assert activations_of(units, maps, "map").tolist() == [11.0, 23.0]
    assert activations_of(units, maps, "layer").tolist() == [23.0, 23.0]


@pytest.mark.parametrize("by", ["map", "activation"])
def test_ties_among_many_go_to_the_lower_channel(by: str) -> None:
    scores = torch.zeros(1, 4096)
    scores[0, 2000::3] = 1.0
    found = [u.channel for u in strongest_units(scores, "fc6", 1000, by)]
    assert found == [*range(2000, 4096, 3), *range(1000 - len(range(2000, 4096, 3)))]


@pytest.mark.parametrize("k", [0, -1, 5])
def test_more_maps_than_there_are(k: int) -> None:
    with pytest.raises(
        UnitError, match=f"^{k} strongest units asked for; conv1 has 4 feature maps: ask for 1 to 4$"
    ):
        strongest_units(torch.zeros(1, 4, 2, 2), "conv1", k)


def test_more_activations_or_fc_units_than_there_are() -> None:
    with pytest.raises(UnitError, match="has 16 activations: ask for 1 to 16"):
        strongest_units(torch.zeros(1, 4, 2, 2), "conv1", 17, "activation")
    with pytest.raises(UnitError, match="fc8 has 4 units: ask for 1 to 4"):
        strongest_units(torch.zeros(1, 4), "fc8", 5)
    with pytest.raises(UnitError, match="strongest by 'size'; there are: map, activation"):
        strongest_units(torch.zeros(1, 4, 2, 2), "conv1", 1, "size")


def test_strongest_of_a_trace_are_those_of_its_maps() -> None:
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU()).double()
    trace = record(net, noise(0, 2, 3, 6, 6), ["1"])
    assert strongest(trace, "1", 2) == strongest_units(trace.maps["1"], "1", 2)
    assert len(strongest(trace, "1", 5)) == 10


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        (Unit("conv", 4), "no unit 4 in conv: it has 4 feature maps, 0 to 3"),
        (Unit("conv", -1), "no unit -1 in conv"),
        (
            Unit("conv", 0, 5, 0),
            r"no place \(5, 0\) in conv: its maps are 5 x 6, rows 0 to 4, columns 0 to 5",
        ),
        (Unit("conv", 0, 0, 6), r"no place \(0, 6\)"),
        (Unit("conv", 0, -1, 0), r"no place \(-1, 0\)"),
        (Unit("conv", 0, 2), "give both row and column, or neither"),
        (Unit("conv", 0, column=2), "give both row and column, or neither"),
        (Unit("conv", 0, image=2), "no image 2 in a batch of 2"),
        (Unit("conv", 0, image=-1), "no image -1 in a batch of 2"),
    ],
)
def test_units_that_do_not_exist(unit: Unit, message: str) -> None:
    with pytest.raises(UnitError, match=message) as caught:
        placed([unit], torch.zeros(2, 4, 5, 6))
    assert "\n" not in str(caught.value)


def test_fc_units_have_no_place() -> None:
    assert placed([Unit("fc6", 3)], torch.zeros(1, 4)) == [Unit("fc6", 3)]
    with pytest.raises(UnitError, match="fc6 is fully connected: its units have no row and column"):
        placed([Unit("fc6", 3, 0, 0)], torch.zeros(1, 4))
    with pytest.raises(UnitError, match="no unit 4 in fc6: it has 4 units, 0 to 3"):
        placed([Unit("fc6", 4)], torch.zeros(1, 4))


def test_a_unit_without_a_place_means_its_strongest_place() -> None:
    net, images = nn.Sequential(nn.Conv2d(3, 4, 3)).double(), noise(0, 2, 3, 7, 8)
    maps = record(net, images, ["0"]).maps["0"]
    found = project(net, images, [Unit("0", 2, image=1)])
    (unit,) = found.units
    assert maps[1, 2, unit.row, unit.column] == maps[1, 2].max() == found.activations[0]
