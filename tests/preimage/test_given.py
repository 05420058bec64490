"""Pre-images of features that are given: those of an image lead where the image leads."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from deconvviz.errors import LayerError, ModelError
from deconvviz.metrics import feature_error_mv15, feature_error_mv16, mean_squared_pair_distance
from deconvviz.models import Network
from deconvviz.preimage.given import invert_features
from deconvviz.preimage.inversion import METHODS, invert
from deconvviz.preimage.targets import targets_of

from .support import SIDE, Branching, network, photos

LAYERS = ["conv2", "conv1", "6"]


def branching() -> Network:
    return network(Branching())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("net", "layers"), [(network, LAYERS), (branching, ["scores", "second"])])
def test_an_images_own_features_lead_where_the_image_does(method: str, net: Any, layers: list[str]) -> None:
    images = photos(2)
    wanted = invert(net(), images, layers, method, restarts=2, iterations=4)
    features = targets_of(net(), images, layers).features
    found = invert_features(
        net(), {layer: features[layer] for layer in layers}, method, restarts=2, iterations=4
    )
    assert found.layers == wanted.layers == tuple(layers)
    assert torch.equal(found.images, wanted.images)
    assert torch.equal(found.curve, wanted.curve)
    assert (found.stopped, found.slower) == (wanted.stopped, wanted.slower)
    assert sorted(found.errors) == ["feature_error_mv15", "feature_error_mv16"]
    for name, values in found.errors.items():
        assert torch.equal(values, wanted.errors[name])


def test_features_that_no_image_has_are_come_closer_to() -> None:
    net, wanted = network(), torch.tensor([[3.0, -2.0, 0.0, 1.0, 0.0], [0.0, 0.0, 5.0, 0.0, 0.0]])
    told: list[tuple[int, int]] = []
    found = invert_features(
        net, {"6": wanted}, iterations=40, watch=lambda step, steps, errors: told.append((step, steps))
    )
    assert told == [(step, 40) for step in range(40)]
    assert found.images.shape == (2, 1, 1, 3, SIDE, SIDE)
    error = found.errors["feature_error_mv16"][:, 0, 0]
    assert (error < 0.6 * found.curve[0, :, 0, 0]).all()
    with torch.no_grad():
        seen = net.module(found.images[:, 0, 0])
    torch.testing.assert_close(error, feature_error_mv16(wanted, seen), rtol=1e-4, atol=1e-4)
    apart = mean_squared_pair_distance(wanted)
    squared = feature_error_mv15(wanted, seen, apart)
    torch.testing.assert_close(found.errors["feature_error_mv15"][:, 0, 0], squared, rtol=1e-3, atol=1e-4)


def test_features_from_inference_mode_and_with_gradients_are_taken_and_left_alone() -> None:
    with torch.inference_mode():
        frozen = torch.rand(1, 5)
    leaf = frozen.clone().requires_grad_()
    both = [invert_features(network(), {"6": given}, iterations=2).images for given in (frozen, leaf)]
    assert torch.equal(*both)
    assert leaf.grad is None


@pytest.mark.parametrize(
    ("features", "error", "says"),
    [
        ({}, LayerError, "no features to invert"),
        ({"conv3": torch.ones(1, 8, 4, 4)}, LayerError, "no layer 'conv3'"),
        ({"6": torch.ones(1, 6)}, LayerError, r"6 has features of \(5,\) in images of 64 pixels, not \(6,\)"),
        ({"6": torch.ones(0, 5)}, LayerError, "0 features of 6"),
        (
            {"6": torch.ones(2, 5), "conv1": torch.ones(1, 6, 16, 16)},
            LayerError,
            "1 features of conv1, 2 of 6",
        ),
        ({"6": torch.eye(2, 5) * torch.tensor([[1], [0]])}, LayerError, "6 is zero all over for features 2"),
        ({"6": torch.full((1, 5), torch.nan)}, LayerError, "no numbers"),
    ],
)
def test_what_is_refused(features: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        invert_features(network(), features)


def test_a_method_that_does_not_exist() -> None:
    with pytest.raises(ModelError, match="there are: best, mahendran2015, mahendran2016"):
        invert_features(network(), {"6": torch.ones(1, 5)}, "adam")
