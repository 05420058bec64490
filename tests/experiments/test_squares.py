"""What covers a part of an image."""

from __future__ import annotations

import pytest
import torch

from deconvviz.errors import ModelError
from deconvviz.experiments.squares import FILLS, covered, fill_image, in_proportion
from deconvviz.models import load_model


@pytest.fixture(scope="module")
def network():
    return load_model("cifar", "random")


def test_grey_and_mean_are_what_they_say(network):
    images = torch.rand(2, 3, 32, 32)
    grey = network.pixels(fill_image(network, images, "grey"))
    torch.testing.assert_close(grey, torch.full_like(grey, 0.5))
    mean = network.pixels(fill_image(network, images, "mean"))
    torch.testing.assert_close(mean[1, :, 3, 4], torch.tensor(network.mean))


def test_noise_goes_by_its_seed_and_leaves_the_random_state(network):
    images, state = torch.rand(1, 3, 32, 32), torch.get_rng_state()
    noise = fill_image(network, images, "noise", seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(noise, fill_image(network, images, "noise", seed=3))
    assert not torch.equal(noise, fill_image(network, images, "noise", seed=4))
    pixels = network.pixels(noise)
    assert 0 <= pixels.min() < 0.02 < 0.98 < pixels.max() <= 1
    assert pixels.unique().numel() > 3000


def test_blur_keeps_what_is_even_and_smooths_the_rest(network):
    even = torch.full((1, 3, 32, 48), 0.7, dtype=torch.float64)
    torch.testing.assert_close(fill_image(network, even, "blur"), even)
    spot = torch.zeros(1, 3, 31, 31, dtype=torch.float64)
    spot[..., 15, 15] = 1.0
    blurred = fill_image(network, spot, "blur")
    assert blurred.sum().item() == pytest.approx(3.0, rel=0.02)
    assert blurred.argmax().item() == spot.argmax().item()
    rows = torch.arange(31.0)[:, None]
    variance = (((rows - 15) ** 2) * blurred[0, 0]).sum() / blurred[0, 0].sum()
    assert variance.sqrt().item() == pytest.approx(3.1, rel=0.05)  # a tenth of the side
    torch.testing.assert_close(blurred, blurred.flip(-1))


def test_an_unknown_fill_is_refused(network):
    with pytest.raises(ModelError, match=r"no fill 'gray'.*grey"):
        fill_image(network, torch.rand(1, 3, 8, 8), "gray")
    assert FILLS[0] == "grey"


@pytest.mark.parametrize(
    ("box", "pixels"), [((2, 3, 4, 5), 20), ((-2, 6, 4, 5), 4), ((8, 0, 2, 2), 0), ((0, -9, 3, 4), 0)]
)
def test_a_box_is_cut_at_the_edge(box, pixels):
    images, fill = torch.zeros(2, 3, 8, 8), torch.ones(2, 3, 8, 8)
    result = covered(images, fill, box)
    assert result.sum().item() == 2 * 3 * pixels
    assert not images.any()


def test_lengths_go_with_the_side():
    assert [in_proportion(n, 224) for n in (50, 8, 60)] == [50, 8, 60]
    assert [in_proportion(n, 64) for n in (50, 8, 60, 1)] == [14, 2, 17, 1]
