"""What survives: known colours, slow twins, and pictures of which the answer is plain to see."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest
import torch

from deconvviz.decoders.bands import BANDS, band_sums
from deconvviz.decoders.colour import dominant_colours, lab
from deconvviz.decoders.layout import displacement, frequency_tuned, order_agreement, salient_centre
from deconvviz.decoders.surviving import small, survival
from deconvviz.errors import DataError


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def plain(*colour, side=16):
    """A picture of one colour, (3, side, side)."""
    return torch.tensor(colour)[:, None, None].expand(3, side, side).clone()


def blobs(count, side=64):
    """A bright disc somewhere on a ground, more or less dark, that gets lighter downwards."""
    random = np.random.default_rng(0)
    rows = torch.arange(side)[:, None] / side
    columns = torch.arange(side)[None] / side
    pictures = []
    for y, x in random.uniform(0.2, 0.8, (count, 2)):
        disc = ((rows - y) ** 2 + (columns - x) ** 2 < 0.15**2).float()
        ground = random.uniform(0, 0.5) + 0.3 * rows.expand(side, side)
        colour = torch.from_numpy(random.uniform(0.6, 1, 3)).float()[:, None, None]
        pictures.append(disc * colour + (1 - disc) * ground)
    return torch.stack(pictures)


@pytest.mark.parametrize(
    ("colour", "wanted"),
    [
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((0.5, 0.5, 0.5), (53.39, 0, 0)),
        ((0.01, 0.01, 0.01), (0.70, 0, 0)),  # both curves' straight beginnings: 903.3 * 0.01 / 12.92
    ],
)
def test_known_colours_have_their_known_places(colour, wanted):
    found = lab(plain(*map(float, colour))[None])[0, :, 3, 5]
    np.testing.assert_allclose(found.numpy(), wanted, atol=0.02)


def test_the_dominant_colour_is_that_of_the_largest_part():
    picture = plain(0.9, 0.1, 0.1)
    picture[:, :10] = plain(0.2, 0.3, 0.8)[:, :10]  # ten rows of sixteen
    noisy = (picture + 0.02 * (noise(3, 16, 16) - 0.5)).clamp(0, 1)
    found = dominant_colours(lab(torch.stack([picture, noisy, picture.flip(1)])))
    wanted = lab(plain(0.2, 0.3, 0.8)[None])[0, :, 0, 0]
    torch.testing.assert_close(found[[0, 2]], wanted.expand(2, 3), rtol=0, atol=1e-3)
    torch.testing.assert_close(found[1], wanted, rtol=0, atol=1)


def test_a_colour_on_the_border_of_two_cells_is_not_halved():
    """Cells of 8 have a border at L = 56: 60 pixels around it are more than 50 at another colour."""
    colours = torch.zeros(1, 3, 1, 110)
    colours[0, 0, 0, :60] = 56 + torch.linspace(-1, 1, 60)
    colours[0, 0, 0, 60:] = 10
    torch.testing.assert_close(dominant_colours(colours), torch.tensor([[56.0, 0, 0]]), rtol=0, atol=1e-3)


@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_extreme_colours_stay_in_the_histogram(corner):
    for blue in (0.0, 1.0):
        colours = lab(plain(*map(float, corner), blue)[None])
        torch.testing.assert_close(dominant_colours(colours)[0], colours[0, :, 0, 0], rtol=0, atol=1e-3)


def slow_agreement(original, reconstruction):
    """Region by region, pair by pair."""

    def regions(image):
        return [
            float(image[0, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean()) for i in range(8) for j in range(8)
        ]

    true, ours = regions(original), regions(reconstruction)
    right = counted = 0.0
    for i in range(64):
        for j in range(i):
            if abs(true[i] - true[j]) < 1:
                continue
            counted += 1
            if ours[i] == ours[j]:
                right += 0.5
            elif (true[i] < true[j]) == (ours[i] < ours[j]):
                right += 1
    return right / counted


def test_order_agreement_is_that_of_the_pairs_one_by_one():
    x = lab(noise(4, 3, 16, 16)).double()
    r = lab(0.3 * noise(4, 3, 16, 16) + 0.7 * noise(4, 3, 16, 16, seed=1)).double()
    r[0, 0, :8] = 50  # ties
    wanted = [slow_agreement(a, b) for a, b in zip(x, r, strict=True)]
    assert len({*wanted}) == 4
    np.testing.assert_allclose(order_agreement(x, r).numpy(), wanted, rtol=1e-9)


def test_order_agreement_of_plain_cases():
    x = lab(noise(3, 3, 16, 16))
    negative = x.clone()
    negative[:, 0] = 100 - x[:, 0]
    flat = x.new_full(x.shape, 40)
    assert order_agreement(x, 0.1 * x + 20).tolist() == [1, 1, 1]
    assert order_agreement(x, negative).tolist() == [0, 0, 0]
    assert order_agreement(x, flat).tolist() == [0.5, 0.5, 0.5]
    assert order_agreement(flat, x).isnan().all()


@pytest.mark.parametrize("side", [12, 64])
def test_the_salient_region_is_where_the_disc_is(side):
    rows, columns = (torch.arange(side)[:, None] + 0.5) / side, (torch.arange(side)[None] + 0.5) / side
    disc = ((rows - 0.7) ** 2 + (columns - 0.3) ** 2 < 0.15**2).float().expand(1, 3, side, side)
    centre = salient_centre(lab(0.2 + 0.6 * disc))[0]
    torch.testing.assert_close(centre, torch.tensor([0.7, 0.3]), rtol=0, atol=0.6 / side)
    moved = lab(0.2 + 0.6 * disc.roll((-side // 4, side // 4), (2, 3)))
    assert float(displacement(lab(0.2 + 0.6 * disc), moved)) == pytest.approx(0.25 * 2**0.5, abs=0.3 / side)


def test_a_picture_of_one_colour_is_salient_in_its_middle():
    picture = lab(plain(0.3, 0.6, 0.1)[None])
    torch.testing.assert_close(salient_centre(picture), torch.tensor([[0.5, 0.5]]), rtol=0, atol=1e-3)


def test_saliency_is_the_distance_of_the_blurred_to_the_mean_colour():
    colours = lab(noise(1, 3, 9, 9))
    kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    image = colours[0].double().numpy()
    blurred = [(kernel * channel[2:7, 1:6]).sum() for channel in image]
    wanted = math.dist(blurred, image.mean((1, 2)))
    assert float(frequency_tuned(colours)[0, 4, 3]) == pytest.approx(wanted, rel=1e-5)


def slow_power(image, low, high):
    """Of one channel: the sum over the band of |sum over pixels of value * wave|^2."""
    side = len(image)
    total = 0.0
    index = np.arange(side)
    for u in range(-side // 2, side // 2):
        for v in range(-side // 2, side // 2):
            if low <= math.hypot(u, v) < high:
                wave = np.exp(-2j * np.pi * (u * index[:, None] + v * index[None]) / side)
                total += abs((image * wave).sum()) ** 2
    return total


def test_band_sums_are_those_of_the_waves_one_by_one():
    x, r = noise(2, 3, 16, 16).double(), noise(2, 3, 16, 16, seed=1).double()
    found = band_sums(x, r)
    for row, images in enumerate((x - r, x, r)):
        wanted = [
            sum(slow_power(c, low, high) for image in images.numpy() for c in image)
            for low, high in BANDS[:3]
        ]
        np.testing.assert_allclose(found[row, :3].numpy(), wanted, rtol=1e-9)
    assert found[:, 3:].isnan().all()  # sixteen pixels hold up to eight cycles


@pytest.mark.parametrize(("cycles", "band"), [(1, 0), (2, 1), (3, 1), (4, 2), (15, 3), (31, 4)])
def test_a_wave_is_in_its_band(cycles, band):
    wave = torch.sin(2 * math.pi * cycles * torch.arange(64) / 64)
    x = 0.5 + 0.4 * wave.expand(1, 3, 64, 64)
    found = band_sums(x, 0.5 + 0.5 * (x - 0.5))
    assert int(found[1].argmax()) == band
    assert float(found[1, band] / found[1].sum()) == pytest.approx(1)
    assert float(found[0, band] / found[1, band]) == pytest.approx(0.25)
    assert float(found[2, band] / found[1, band]) == pytest.approx(0.25)


def test_everything_survives_in_equal_pictures_and_chance_is_worse():
    x = blobs(12)
    found = survival(x, x)
    assert (found.colour.mean, found.order.mean, found.displacement.mean) == (0, 1, 0)
    assert (found.colour.spread, found.order.spread, found.displacement.spread) == (0, 0, 0)
    assert found.band_errors == (0,) * 5
    assert found.band_energies == (1,) * 5
    assert found.colour.chance > 1
    assert found.order.chance < 0.9
    assert found.displacement.chance > 0.1
    assert all(1 < chance < 2.5 for chance in found.band_chances[1:])
    assert found.images == 12


def test_chance_is_another_pairing():
    x, r = blobs(7), blobs(7).flip(3)
    chance = survival(torch.cat([x[4:], x[:4]]), r)
    found = survival(x, r)
    for name in ("colour", "order", "displacement"):
        assert getattr(found, name).chance == pytest.approx(getattr(chance, name).mean, rel=1e-6)
    assert found.band_chances == pytest.approx(chance.band_errors)


def test_blur_loses_the_fine_bands_and_keeps_the_rest():
    x = 0.7 * blobs(4) + 0.3 * noise(4, 3, 64, 64)
    r = torch.nn.functional.avg_pool2d(x, 5, 1, 2, count_include_pad=False)
    found = survival(x, r)
    assert list(found.band_errors) == sorted(found.band_errors)
    assert found.band_errors[0] < 0.05 < 0.8 < found.band_errors[4] < 1.2
    assert found.band_energies[4] < 0.2
    assert found.order.mean > 0.9
    assert found.displacement.mean < 0.05 < found.displacement.chance


def test_large_pictures_are_made_small_first_and_many_are_split(monkeypatch):
    x, r = blobs(5, side=160), 0.5 * blobs(5, side=160) + 0.2
    whole = survival(x, r)
    torch.testing.assert_close(
        torch.tensor([*astuple(survival(small(x), small(r)))[0]]), torch.tensor([*astuple(whole.colour)])
    )
    assert small(x).shape == (5, 3, 64, 64)
    assert small(x[..., :20, :20]).shape == (5, 3, 20, 20)
    monkeypatch.setattr("deconvviz.decoders.surviving._CHUNK", 2)
    split = survival(x, r)
    assert split.band_errors == pytest.approx(whole.band_errors)
    assert astuple(split.order) == pytest.approx(astuple(whole.order))


def test_images_without_an_answer_are_left_out():
    x = torch.stack([*blobs(3), plain(0.5, 0.5, 0.5, side=64)])
    found = survival(x, x)
    assert found.order.mean == 1
    assert math.isfinite(found.order.chance)
    nothing = survival(x[[3, 3]], x[[3, 3]])
    assert math.isnan(nothing.order.mean)
    assert nothing.colour.mean == 0


def test_one_image_has_no_chance_level():
    with pytest.raises(DataError, match="at least two images, not 1"):
        survival(blobs(1), blobs(1))
