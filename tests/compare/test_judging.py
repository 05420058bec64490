"""The errors of a cell, each again in slow plain form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from deconvviz.compare.comparing import compare
from deconvviz.compare.judging import ERRORS, judged
from deconvviz.metrics import mean_pair_distance, ssim
from deconvviz.models import Network

from ..metrics.test_fitting import naive as fitted
from .support import decoder_of, seen, tiny


def plainly(
    network: Network, image: Tensor, original: Tensor, picture: Tensor, encode: Tensor, apart: float
) -> dict[str, float]:
    """The five errors of one picture at conv2: sums over Python's numbers, layers called one by one."""
    differences = [
        a - b for a, b in zip(original.flatten().tolist(), picture.flatten().tolist(), strict=True)
    ]
    squares = math.fsum(d * d for d in differences)
    colours = [plane.flatten().tolist() for plane in original]
    spread = math.fsum((v - math.fsum(plane) / len(plane)) ** 2 for plane in colours for v in plane)
    with torch.no_grad():
        wanted, found = (network.module[:6](x.float()[None]).double() for x in (image, encode))
    return {
        "psnr": 10 * math.log10(len(differences) / squares),
        "ssim": float(ssim(original[None], picture[None])),
        "explained": 1 - squares / spread,
        "image_error": math.sqrt(squares) / apart,
        "feature_error": float((found - wanted).norm() / wanted.norm()),
    }


def mean(network: Network) -> Tensor:
    return torch.tensor(network.mean)[:, None, None]


def deviation(network: Network) -> Tensor:
    return torch.tensor(network.std)[:, None, None]


@pytest.mark.parametrize("method", ["map", "gradient", "decoder", "optimised"])
def test_equals_the_plain_form(method: str) -> None:
    network, images = tiny(), seen(2)
    decoders = [decoder_of(network, "conv2")]
    apart = float(np.linalg.norm(network.pixels(images[0]).double() - network.pixels(images[1]).double()))
    comparisons = compare(network, images, ["conv2"], [method], decoders=decoders, iterations=3)
    for image, found in zip(images, comparisons, strict=True):
        answer, original = found.answers["conv2", method], found.original
        assert answer.signal is not None
        assert answer.picture is not None
        projects = method in ("map", "gradient")
        picture = answer.signal * deviation(network) + mean(network)
        if method != "decoder":
            torch.testing.assert_close(answer.picture, picture.clamp(0, 1))
        given = answer.signal if projects else answer.picture
        better = fitted(original.double(), given.double()).clamp(0, 1)
        shown = (answer.picture - mean(network)) / deviation(network) if projects else answer.signal
        again = (better - mean(network)) / deviation(network)
        raw = plainly(network, image, original, answer.picture, shown, apart)
        fit = plainly(network, image, original, better, again, apart)
        wanted = {**raw, **{f"{name}_fitted": value for name, value in fit.items()}}
        assert dict(answer.errors) == pytest.approx(wanted, rel=1e-5, abs=1e-6)
        assert tuple(raw) == ERRORS


def test_the_image_itself_has_no_error_and_is_its_own_fit() -> None:
    network, images = tiny(), seen(1)
    original = network.pixels(images)
    features = network.module[:6](images).detach()
    see = (original - mean(network)) / deviation(network)
    found = judged(network, "conv2", original, network.module[:6](see).detach(), see, original, False, 2.0)
    assert found["psnr"].item() == math.inf
    assert found["ssim"].item() == pytest.approx(1, abs=1e-6)
    assert found["explained"].item() == 1
    assert found["image_error"].item() == found["feature_error"].item() == 0
    assert found["psnr_fitted"].item() > 200
    assert found["feature_error_fitted"].item() < 1e-5
    # as a projection the image's own signal is right up to scale and shift, however large it is drawn
    scaled = judged(
        network, "conv2", original, features, 7 * original, network.pixels(7 * original), True, 2.0
    )
    assert scaled["psnr"].item() < 20 < 100 < scaled["psnr_fitted"].item()


def test_distances_of_pairs() -> None:
    network, images = tiny(), seen(3)
    (alone,) = compare(network, images[:1], ["conv2"], ["map"])
    assert math.isnan(alone.answers["conv2", "map"].errors["image_error"])
    assert math.isnan(alone.answers["conv2", "map"].errors["image_error_fitted"])
    (given,) = compare(network, images[:1], ["conv2"], ["map"], pair_distance=2.5)
    several = compare(network, images, ["conv2"], ["map"])
    apart = mean_pair_distance(network.pixels(images))
    error = several[0].answers["conv2", "map"].errors["image_error"]
    assert given.answers["conv2", "map"].errors["image_error"] * 2.5 == pytest.approx(error * apart, rel=1e-4)
    twice = compare(network, images[[0, 0]], ["conv2"], ["map"])  # no distance at all
    assert math.isnan(twice[0].answers["conv2", "map"].errors["image_error"])
