"""Moving, scaling and turning a photograph: against slow loops, and where the result must be exact."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from deconvviz import load_model
from deconvviz.errors import ModelError
from deconvviz.experiments.scenes import Scene, scene_of, scenes_of
from deconvviz.experiments.transforms import KINDS, amounts, does_nothing, transformed
from deconvviz.models.building import preset

from ..strategies import noise

BOX = (2, 3, 6, 6)  # of a photograph of 9 x 13
RED = torch.tensor([3.0, -1.0, 0.5], dtype=torch.float64)


def scene(beyond: Tensor | None = None, seed: int = 0) -> Scene:
    return Scene(noise(seed, 3, 9, 13), BOX, beyond)


def alone(pixels: Tensor) -> Scene:
    return Scene(pixels, (0, 0, *pixels.shape[-2:]))


def colour_at(shown: Scene, channel: int, row: int, column: int) -> float:
    """One pixel's value, also beyond the photograph."""
    height, width = shown.pixels.shape[-2:]
    if shown.beyond is not None and not (0 <= row < height and 0 <= column < width):
        return float(shown.beyond[channel])
    return float(shown.pixels[channel, min(max(row, 0), height - 1), min(max(column, 0), width - 1)])


def between(shown: Scene, channel: int, y: float, x: float) -> float:
    """Bilinear interpolation as the textbook has it."""
    row, column = math.floor(y), math.floor(x)
    down, across = y - row, x - column
    return (
        colour_at(shown, channel, row, column) * (1 - down) * (1 - across)
        + colour_at(shown, channel, row, column + 1) * (1 - down) * across
        + colour_at(shown, channel, row + 1, column) * down * (1 - across)
        + colour_at(shown, channel, row + 1, column + 1) * down * across
    )


def slowly(shown: Scene, kind: str, amount: float) -> Tensor:
    """The same in plain loops, one place at a time, in complex numbers."""
    top, left, height, width = shown.box
    middle = complex(left + (width - 1) / 2, top + (height - 1) / 2)
    fine = max(1, math.ceil(1 / amount - 1e-9)) if kind == "scale" else 1
    parts = [(k + 0.5) / fine - 0.5 for k in range(fine)]
    result = torch.zeros(3, height, width, dtype=torch.float64)
    for channel, row, column in np.ndindex(3, height, width):
        for v in parts:
            for u in parts:
                z = complex(left + column + u, top + row + v) - middle
                if kind == "translation":
                    z -= complex(0, amount)
                elif kind == "scale":
                    z /= amount
                else:  # an image's rows run downwards: anticlockwise to the eye is clockwise in numbers
                    z *= complex(math.cos(math.radians(amount)), math.sin(math.radians(amount)))
                z += middle
                result[channel, row, column] += between(shown, channel, z.imag, z.real) / fine**2
    return result


@pytest.mark.parametrize("beyond", [None, RED], ids=["edge", "colour"])
@pytest.mark.parametrize(
    ("kind", "amount"),
    [
        ("translation", 5),
        ("translation", -4),
        ("scale", 1.7),
        ("scale", 0.6),
        ("scale", 0.3),
        ("rotation", 33.0),
        ("rotation", -100.0),
        ("rotation", 270.0),
    ],
)
def test_slow_loops_give_the_same(kind, amount, beyond):
    shown = scene(beyond)
    torch.testing.assert_close(
        transformed(shown, kind, amount), slowly(shown, kind, amount), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("beyond", [None, RED], ids=["edge", "colour"])
def test_nothing_done_is_nothing_changed(beyond):
    shown = scene(beyond)
    for kind, amount in [("translation", 0), ("scale", 1.0), ("rotation", 0.0), ("rotation", -720.0)]:
        assert does_nothing(kind, amount)
        assert torch.equal(transformed(shown, kind, amount), shown.shown)
    assert torch.equal(shown.shown, shown.pixels[:, 2:8, 3:9])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_whole_pixels_and_right_angles_are_exact(dtype):
    for side in (7, 8):
        pixels = noise(side, 3, side, side).to(dtype)
        shown = alone(pixels)
        moved = transformed(shown, "translation", 3)
        assert torch.equal(moved[:, 3:], pixels[:, :-3])
        assert torch.equal(moved[:, :3], pixels[:, :1].expand(-1, 3, -1))
        moved = transformed(Scene(pixels, shown.box, RED), "translation", -2)
        assert torch.equal(moved[:, :-2], pixels[:, 2:])
        assert torch.equal(moved[:, -2:], RED.to(dtype)[:, None, None].expand(-1, 2, side))
        for quarter in (-1, 1, 2, 3, 5):
            turned = transformed(shown, "rotation", 90.0 * quarter)
            assert torch.equal(turned, pixels.rot90(quarter, (1, 2)))  # anticlockwise


def test_what_comes_in_is_the_photographs_own():
    shown = scene(RED)
    moved = transformed(shown, "translation", 2)
    assert torch.equal(moved, shown.pixels[:, 0:6, 3:9])
    moved = transformed(shown, "translation", 3)
    assert torch.equal(moved[:, 1:], shown.pixels[:, 0:5, 3:9])
    assert torch.equal(moved[:, 0], RED[:, None].expand(-1, 6))


@pytest.mark.parametrize("kind", KINDS)
def test_one_colour_stays_that_colour(kind):
    plain = alone(torch.full((3, 8, 8), 0.3))
    for amount in (3, -5, 0.4, 2.3) if kind == "scale" else (3, -5, 7):
        if kind != "scale" or amount > 0:
            torch.testing.assert_close(transformed(plain, kind, amount), plain.pixels, rtol=1e-6, atol=0)


def test_twice_as_large_shows_the_middle_half():
    ramp = torch.arange(16.0, dtype=torch.float64).expand(3, 16, 16)
    found = transformed(alone(ramp), "scale", 2.0)
    torch.testing.assert_close(found[0, 0], 7.5 + (torch.arange(16.0, dtype=torch.float64) - 7.5) / 2)


def test_amounts():
    assert amounts("translation", 60, 25) == tuple(range(-60, 61, 5))
    assert amounts("translation", 60, 24) == amounts("translation", 60, 25)
    assert amounts("translation", 3, 99) == (-3, -2, -1, 0, 1, 2, 3)
    assert amounts("translation", 9, 2) == (-9, 0, 9)
    assert amounts("scale", 1.8, 5) == (1.0, 1.2, 1.4, 1.6, 1.8)
    assert amounts("scale", 0.5, 2) == (1.0, 0.5)
    assert amounts("rotation", -90, 4) == (0.0, -30.0, -60.0, -90.0)
    assert all(isinstance(x, int) for x in amounts("translation", 17, 25))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: transformed(scene(), "translation", 6), "6 pixels out of sight: give at most 5"),
        (lambda: transformed(scene(), "translation", -7), "moves an image of 6 pixels out of sight"),
        (lambda: transformed(scene(), "translation", 0.5), "give whole pixels"),
        (lambda: transformed(scene(), "scale", 0.0), "cannot be scaled by 0: give 0.1 to 10"),
        (lambda: transformed(scene(), "scale", -1.0), "cannot be scaled by -1"),
        (lambda: transformed(scene(), "rotation", math.inf), "inf is no number"),
        (lambda: transformed(scene(), "rotatoin", 3.0), "did you mean 'rotation'"),
        (lambda: amounts("scale", 1.8, 1), "give at least 2"),
        (lambda: scene_of(load_model("mini"), Image.new("RGB", (9, 9)), fill="eddge"), "mean 'edge'"),
    ],
)
def test_impossible_ones(call, says):
    with pytest.raises(ModelError, match=says):
        call()


@pytest.mark.parametrize("size", [(64, 64), (97, 64), (64, 75), (500, 333), (3, 50), (1, 1), (201, 200)])
@pytest.mark.parametrize("crop", [64, 49])
def test_a_scene_shows_what_the_network_sees(size, crop):
    net = replace(load_model("mini"), preset=preset(True, crop, resize_size=64))
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(values)
    found = scene_of(net, image)
    assert torch.equal(found.shown[None], net.see(image))
    assert min(found.pixels.shape[-2:]) == net.preset.resize_size[0]
    assert found.pixels.shape[1] / found.pixels.shape[2] == pytest.approx(size[1] / size[0], rel=0.03)
    cropped = scene_of(net, image, cropped=True, fill="mean")
    assert torch.equal(cropped.pixels, found.shown)
    assert torch.equal(cropped.beyond, torch.zeros(3))


def test_fills():
    net = load_model("mini")
    images = torch.rand(2, 3, 64, 64)
    assert scenes_of(net, images)[1].beyond is None
    grey = scenes_of(net, images, "grey")[0].beyond
    torch.testing.assert_close(net.pixels(grey[:, None, None]).flatten(), torch.full((3,), 0.5))
