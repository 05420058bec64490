"""How far features move: against one image at a time in plain code, and where the answer is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from deconvviz import load_model
from deconvviz.errors import LayerError, ModelError, UnitError, WeightsError
from deconvviz.experiments.answers import answers
from deconvviz.experiments.invariance import invariance
from deconvviz.experiments.scenes import Scene
from deconvviz.experiments.transforms import KINDS

from ..deconvnet.test_no_trace_left import Failing, snapshot
from ..deconvnet.test_no_trace_left import network as untidy
from ..gradients.support import as_network
from ..strategies import noise, randomised
from .test_transforms import slowly

LAYERS = ["1", "4"]


def chain(side: int = 8) -> nn.Sequential:
    """A convolution, two linear layers, three scores; every rectifier works in place."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(4 * side * side, 5),
        nn.ReLU(inplace=True),
        nn.Linear(5, 3),
    )


def net(module: nn.Module | None = None, seed: int = 0):
    return as_network(randomised(module or chain(), seed))


def pooled() -> nn.Sequential:
    """Knows what is in an image but not where: nothing but its mean over all places."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )


def symmetric(turns: int, side: int = 8) -> Tensor:
    """An image that is itself after each of `turns` equal parts of a whole turn."""
    rough = noise(5, 1, 3, side, side)
    return torch.stack([rough.rot90(4 // turns * k, (2, 3)) for k in range(turns)]).mean(0)


def test_one_image_at_a_time_gives_the_same():
    network, scenes = net(), [Scene(noise(k, 3, 9, 11), (1, 2, 8, 8)) for k in range(2)]
    found = invariance(network, scenes, LAYERS, targets=[None, 2], translate=3, steps=4, batch_size=3)
    assert found.layers == ("1", "4")
    for n, scene in enumerate(scenes):
        base = [part.clone() for part in plainly(network.module, scene.shown)]
        target = [int(base[2].argmax()), 2][n]
        assert found.targets[n] == target
        assert found.lengths[n].tolist() == pytest.approx([math.hypot(*part.tolist()) for part in base[:2]])
        for kind in KINDS:
            course = found.courses[kind]
            for s, amount in enumerate(course.amounts):
                seen = plainly(network.module, slowly(scene, kind, amount))
                for k in range(2):
                    squares = [(a - b) ** 2 for a, b in zip(seen[k].tolist(), base[k].tolist(), strict=True)]
                    assert float(course.distances[n, k, s]) == pytest.approx(
                        math.sqrt(sum(squares)), rel=1e-10, abs=1e-10
                    )
                powers = [math.exp(score - max(seen[2].tolist())) for score in seen[2].tolist()]
                assert float(course.probabilities[n, s]) == pytest.approx(
                    powers[target] / sum(powers), rel=1e-9
                )
    assert found.courses["translation"].amounts == (-3, -2, 0, 2, 3)
    assert found.courses["rotation"].amounts == (0, 120, 240, 360)


def plainly(module: nn.Module, image: Tensor) -> list[Tensor]:
    """The two rectified layers and the scores of one image, by calling one part after the other."""
    with torch.no_grad():
        first = module[0](image[None]).clamp(min=0)
        second = module[3](first.flatten(1)).clamp(min=0)
        return [first.flatten(), second.flatten(), module[5](second).flatten()]


def test_nothing_done_moves_nothing():
    for dtype in (torch.float32, torch.float64):
        network = as_network(randomised(chain(), 0).to(dtype))
        found = invariance(network, noise(0, 3, 3, 8, 8).to(dtype), LAYERS, translate=2, steps=5)
        for kind, at in [("translation", 2), ("scale", 0), ("rotation", 0), ("rotation", -1)]:
            course = found.courses[kind]
            assert (course.distances[:, :, at] == 0).all()
            assert torch.equal(course.probabilities[:, at], found.courses["scale"].probabilities[:, 0])
            assert (course.distances > 0).sum() > 12


def test_symmetric_images_turned_by_their_symmetry():
    for turns, same, moved in [(4, [90, 180, 270], [45, 135]), (2, [180], [45, 90, 270])]:
        found = invariance(net(), symmetric(turns), LAYERS, translate=1, steps=9)
        course = found.courses["rotation"]
        relative = (course.distances / found.lengths[..., None])[0]
        at = dict(zip(course.amounts, relative.T.tolist(), strict=True))
        assert all(max(at[angle]) < 1e-12 for angle in same)
        assert all(min(at[angle]) > 0.01 for angle in moved)


def test_a_network_that_does_not_know_places():
    image = torch.zeros(1, 3, 24, 24, dtype=torch.float64)
    image[..., 9:15, 9:15] = noise(1, 3, 6, 6)
    found = invariance(net(pooled()), image, ["1", "2"], translate=6, steps=5).in_lengths()
    course = found.courses["translation"]
    moved, still = course.distances[0]
    assert moved[[0, 1, 3, 4]].min() > 0.1
    assert still.max() < 1e-12
    assert float(course.probabilities.std()) < 1e-12
    assert found.courses["scale"].distances[0, 1, -1] > 1e-3  # which is not one of place


def test_batches_change_nothing_and_every_image_is_told():
    network, images = net(), noise(3, 2, 3, 8, 8)
    told = []
    runs = [
        invariance(network, images, LAYERS, translate=3, steps=4, batch_size=size, advance=told.append)
        for size in (1, 5, 100)
    ]
    for run in runs[1:]:
        for kind in KINDS:
            torch.testing.assert_close(run.courses[kind].distances, runs[0].courses[kind].distances)
            torch.testing.assert_close(run.courses[kind].probabilities, runs[0].courses[kind].probabilities)
    assert sum(told) == 3 * 2 * (1 + 4 + 3 + 2)


def test_images_among_themselves_and_in_lengths():
    network, images = net(), noise(3, 3, 3, 8, 8)
    found = invariance(network, images, LAYERS, translate=3, steps=3)
    assert (found.between.diagonal() == 0).all()
    with torch.no_grad():
        first = network.module[:2](images).flatten(1)
    torch.testing.assert_close(found.between[:, :, 0], torch.cdist(first, first))
    own = found.in_lengths()
    assert own.relative
    torch.testing.assert_close(own.between[0, 1], found.between[0, 1] / found.lengths[0])
    for kind in KINDS:
        expected = found.courses[kind].distances / found.lengths[:, :, None]
        torch.testing.assert_close(own.courses[kind].distances, expected)


def test_networks_with_branches_and_the_layers_by_default():
    network = load_model("resnet18", "random", input_size=32)
    found = invariance(network, torch.rand(1, 3, 32, 32), steps=2)
    assert found.layers == ("relu", "avgpool")
    assert found.courses["translation"].amounts == (-9, 0, 9)
    assert found.courses["translation"].distances.shape == (1, 2, 3)


def test_without_scores():
    headless = net(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    images = noise(0, 1, 3, 8, 8)
    found = invariance(headless, images, ["1"], scores=False, translate=2, steps=2)
    assert found.targets == ()
    assert all(course.probabilities is None for course in found.courses.values())
    with pytest.raises(ModelError, match=r"net gives \(1, 4, 6, 6\), not \(N, classes\) scores"):
        invariance(headless, images, ["1"], translate=2)
    with pytest.raises(ModelError, match="kept no class scores"):
        answers(headless, images, ["1"], scores=False).probabilities(0)


def test_no_trace_is_left():
    for more, error in [((), None), ((Failing(ValueError("stop")),), ValueError)]:
        module = untidy(*more)
        modes = [part.training for part in module.modules()]
        network = as_network(module)
        for part, training in zip(module.modules(), modes, strict=True):
            part.training = training
        images, before = noise(0, 1, 3, 8, 8), snapshot(module)
        kept = images.clone()
        if error:
            with pytest.raises(error):
                invariance(network, images, ["0"], translate=2, steps=2)
        else:
            invariance(network, images, ["0"], translate=2, steps=2)
        assert snapshot(module) == before
        assert torch.equal(images, kept)


def test_what_cannot_be():
    network, images = net(), noise(0, 2, 3, 8, 8)
    for more, error, says in [
        ({"translate": 8}, ModelError, "of 8 pixels out of sight: give at most 7"),
        ({"steps": 1}, ModelError, "give at least 2"),
        ({"scale_to": 0.0}, ModelError, "cannot be scaled by 0"),
        ({"scale_to": 1.0}, ModelError, "a scale of 1 at most changes nothing"),
        ({"rotate_to": 0.0}, ModelError, "a rotation of 0 at most changes nothing"),
        ({"targets": [3, 0]}, UnitError, "no class 3: net has 3 classes, 0 to 2"),
        ({"targets": [0]}, UnitError, "1 classes for 2 images"),
        ({"layers": ["conv1"]}, LayerError, "no layer 'conv1'"),
    ]:
        with pytest.raises(error, match=says):
            invariance(network, images, **{"layers": LAYERS, "translate": 2, **more})
    with pytest.raises(ModelError, match="no image"):
        invariance(network, images[:0], LAYERS)
    with pytest.raises(ModelError, match=r"net does not take images of \(1, 3, 9, 9\)"):
        invariance(network, noise(0, 1, 3, 9, 9), LAYERS)
    network.module[3].weight.data[0, 0] = torch.nan
    with pytest.raises(WeightsError, match=r"NaN or infinity in '3.weight'"):
        invariance(network, images, LAYERS)
