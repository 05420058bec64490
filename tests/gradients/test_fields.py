"""What units see: against perturbing pixels, in networks with branches and every kind of window."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from deconvviz.deconvnet import Unit
from deconvviz.gradients.fields import seen_by
from deconvviz.gradients.projection import project_by_autograd

Function = Callable[["Parts", Tensor], Tensor]
SIDES = (13, 15)


class Parts(nn.Module):
    """Layers whose kernels are all ones, put together by a function; a raised pixel raises what sees it."""

    def __init__(self, forward: Function) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
        self.dilated, self.one = nn.Conv2d(2, 2, 3, padding=2, dilation=2), nn.Conv2d(2, 2, 1)
        self.up, self.pool = nn.ConvTranspose2d(2, 2, 3, stride=2), nn.MaxPool2d(3, 2, ceil_mode=True)
        self.norm, self.together = nn.BatchNorm2d(2), forward
        for value in self.parameters():
            nn.init.ones_(value)
        self.double().eval()

    def forward(self, images: Tensor) -> Tensor:
        return self.together(self, self.stem(images))


BRANCHING: dict[str, Function] = {
    "residual": lambda net, x: F.relu(x + net.conv(x)),
    "two empty ways": lambda net, x: x + F.avg_pool2d(x, 3, 1, 1),
    "concatenation": lambda net, x: net.pool(torch.cat([net.one(x), net.dilated(x)], 1)),
    "dilation": lambda net, x: net.dilated(net.norm(x)),
    "hanging pool": lambda net, x: net.pool(x),
    "uneven padding": lambda net, x: net.conv(F.pad(x, (1, 0, 0, 1))),
    "reflection": lambda net, x: net.conv(F.pad(x, (1, 1, 1, 1), mode="reflect")),
    "upsampling": lambda net, x: F.interpolate(net.pool(x), scale_factor=2),
    "transposed convolution": lambda net, x: net.up(net.pool(x)),
    "a gate that sees everything": lambda net, x: x * torch.sigmoid(F.adaptive_avg_pool2d(x, 1) / 1e5),
    "shuffled channels": lambda net, x: net.conv(F.channel_shuffle(F.relu6(x, inplace=False), 2)),
    "pool with indices": lambda net, x: F.max_pool2d(x, 3, 2, 1, return_indices=True)[0],
    "adaptive max-pool": lambda net, x: F.adaptive_max_pool2d(x, (5, 4)),
    "adaptive with indices": lambda net, x: F.adaptive_max_pool2d(x, 4, return_indices=True)[0],
    "uneven pool": lambda net, x: F.max_pool2d(F.adaptive_avg_pool2d(x[..., :8, :8], 5), 2, 1),
    "branches of two sizes": lambda net, x: torch.cat([x, net.dilated(x)], 1),
}


def perturbed(net: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """(H, W, h, w) bool: which places change when a pixel is raised."""
    height, width = SIDES
    images = torch.full((height * width + 1, 3, height, width), 0.01, dtype=torch.float64)
    for pixel in range(height * width):
        images[pixel, :, pixel // width, pixel % width] += 0.1
    with torch.no_grad():
        features = net(images)
    return (features[:-1] != features[-1]).any(1).view(height, width, *shape[2:])


@pytest.mark.parametrize("name", BRANCHING)
def test_windows_hold_exactly_what_a_unit_sees(name: str) -> None:
    net = Parts(BRANCHING[name])
    shape = tuple(net(torch.zeros(1, 3, *SIDES).double()).shape)
    rows, columns = shape[2:]
    places = [(r, c) for r in {0, 1, rows // 2, rows - 1} for c in {0, columns // 2, columns - 1}]
    outer = nn.Sequential(net)
    clipped, uncut = seen_by(outer, "0", (1, 3, *SIDES), shape, places)
    changed = perturbed(net, shape)
    assert len({tuple(window[2:]) for window in uncut.tolist()}) == 1
    for (row, column), window, whole in zip(places, clipped.tolist(), uncut.tolist(), strict=True):
        seen = changed[:, :, row, column]
        for axis in (0, 1):
            lines = torch.nonzero(seen.any(1 - axis)).flatten()
            first, last = int(lines[0]), int(lines[-1]) + 1
            assert (window[axis], window[axis] + window[axis + 2]) == (first, last)
            assert whole[axis] <= first < last <= whole[axis] + whole[axis + 2]


@pytest.mark.parametrize(
    ("name", "size", "corner"),
    [
        ("residual", (5, 5), (-2, -2)),
        ("concatenation", (9, 9), (-3, -3)),
        ("dilation", (7, 7), (-3, -3)),
        ("hanging pool", (5, 5), (-1, -1)),
        ("uneven padding", (5, 5), (-2, -3)),
        ("a gate that sees everything", SIDES, (0, 0)),
        ("branches of two sizes", (7, 7), (-3, -3)),
        ("uneven pool", SIDES, (0, 0)),
    ],
)
def test_fields_before_clipping(name: str, size: tuple[int, int], corner: tuple[int, int]) -> None:
    net = Parts(BRANCHING[name])
    shape = tuple(net(torch.zeros(1, 3, *SIDES).double()).shape)
    _, uncut = seen_by(nn.Sequential(net), "0", (1, 3, *SIDES), shape, [(0, 0), (1, 1)])
    assert uncut[0].tolist() == [*corner, *size]


def test_values_and_weights_play_no_part() -> None:
    net = Parts(BRANCHING["residual"])
    for value in net.parameters():
        nn.init.zeros_(value)
    found = project_by_autograd(net, torch.zeros(1, 3, *SIDES).double(), [Unit("conv", 0, 6, 7)])
    assert found.windows.tolist() == [[4, 5, 5, 5]]
    assert not found.pixels.any()


def test_a_unit_in_the_padding_sees_nothing() -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 1, padding=2))
    clipped, uncut = seen_by(net, "0", (1, 3, 6, 6), (1, 2, 10, 10), [(0, 5), (4, 5)])
    assert clipped.tolist() == [[0, 0, 0, 0], [2, 3, 1, 1]]
    assert len(uncut) == 2


def test_vectors_see_the_whole_image() -> None:
    clipped, uncut = seen_by(nn.Sequential(), "", (1, 3, *SIDES), (1, 7), [(None, None)])
    assert clipped.tolist() == uncut.tolist() == [[0, 0, *SIDES]]
