"""Segmentation of drawn pictures, against plain computations and by its laws."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from deconvviz.errors import DeconvvizError, ImageError
from deconvviz.gradients.segmentation import Box, closer, in_photograph, segment
from deconvviz.models.load import load_model, outline

from .masks import overlap

RED, GREEN = (200, 40, 40), (40, 160, 60)


def disc(side, row, column, radius):
    rows, columns = np.mgrid[:side, :side]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def painted(mask, noise=12, seed=0):
    """Red on the mask, green elsewhere, and noise on both: (H, W, 3) bytes."""
    flat = np.where(mask[..., None], RED, GREEN)
    return np.clip(flat + np.random.default_rng(seed).normal(0, noise, flat.shape), 0, 255).astype(np.uint8)


def speckled(mask, seed=1):
    """A saliency map: noise, and on a part of the mask's pixels much more of it."""
    noise = np.random.default_rng(seed).exponential(size=(2, *mask.shape))
    return noise[0] + 8 * mask * noise[1]


@pytest.fixture
def red_disc():
    mask = disc(96, 40, 52, 20)
    return mask, painted(mask), speckled(mask)


@pytest.mark.parametrize("settings", [{"iterations": 0}, {}, {"iterations": 4}, {"pinned": 0.005}], ids=str)
def test_a_red_disc_on_green(red_disc, settings):
    mask, photo, heat = red_disc
    found = segment(photo, heat, **settings)
    assert overlap(found.mask, mask) > 0.95
    assert found.box == Box(20, 32, 41, 41)
    assert found.share == found.mask.mean()


def test_seeds_are_the_pixels_beyond_two_quantiles(red_disc):
    _, photo, heat = red_disc
    found = segment(photo, heat, foreground=0.9, background=0.4)
    order = np.argsort(heat.ravel())
    count = heat.size
    assert set(np.flatnonzero(found.foreground_seeds)) == set(order[-round(0.1 * count) :])
    assert set(np.flatnonzero(found.background_seeds)) == set(order[: round(0.4 * count)])
    assert (heat > found.foreground_above).sum() == found.foreground_seeds.sum()
    assert (heat < found.background_below).sum() == found.background_seeds.sum()


def test_colours_are_learnt_from_the_seeds_alone(red_disc):
    _, photo, heat = red_disc
    found = segment(photo, heat, pinned=0.02, iterations=0)
    others = ~(found.foreground_seeds | found.background_seeds)
    changed = photo.copy()
    changed[others] = 255 - changed[others]
    again = segment(changed, heat, pinned=0.02, iterations=0)
    for side in ("foreground", "background"):
        one, other = getattr(found, f"{side}_colours"), getattr(again, f"{side}_colours")
        for name in ("weights", "means", "covariances"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        seeds = photo[getattr(found, f"{side}_seeds")].astype(float)
        w, mean = one.weights, one.means
        assert w.sum() == pytest.approx(1)
        np.testing.assert_allclose(w @ mean, seeds.mean(0))  # the laws of total mean and covariance
        apart = mean - w @ mean
        whole = np.einsum("k,kij->ij", w, one.covariances) + np.einsum("k,ki,kj->ij", w, apart, apart)
        np.testing.assert_allclose(whole, np.cov(seeds.T, ddof=0), atol=0.05)


def unlikely(colours, model):
    """The negative logarithm of a mixture's density at each colour, up to what all mixtures share."""
    total = 0
    for w, mean, cov in zip(model.weights, model.means, model.covariances, strict=True):
        if w > 0:
            apart = colours - mean
            exponent = np.einsum("ni,ij,nj->n", apart, np.linalg.inv(cov), apart) / 2
            total += w * np.exp(-exponent) / np.sqrt(np.linalg.det(cov))
    return -np.log(total)


def neighbours(height, width):
    """Pairs of pixels that touch, also at a corner, and their distance."""
    for r, c in np.ndindex(height, width):
        for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
            if r + down < height and 0 <= c + right < width:
                yield r * width + c, (r + down) * width + c + right, np.hypot(down, right)


@pytest.mark.parametrize("seed", range(4))
def test_the_published_cut_is_the_cheapest_of_all_labellings(seed):
    """The sides are pinned to the left and to the right, so that sixteen pixels between them are free."""
    random = np.random.default_rng(seed)
    left, free = np.zeros((2, 12, 20), bool)
    left[:, :10], free[4:8, 8:12] = True, True
    colours = np.where(left[..., None], 140, 100) + random.normal(0, 35, (12, 20, 3))
    photo = np.clip(colours, 0, 255).astype(np.uint8)
    heat = random.uniform(size=left.shape) + np.where(free, 3, np.where(left, 6, 0))
    shares = {"foreground": 1 - 111.5 / 239, "background": 111.5 / 239}
    found = segment(photo, heat, **shares, pinned=0.5, iterations=0)
    np.testing.assert_array_equal(found.foreground_seeds | found.background_seeds, ~free)
    colours = photo.reshape(-1, 3).astype(float)
    labels = np.tile(left.ravel(), (2**16, 1))
    labels[:, free.ravel()] = (np.arange(2**16)[:, None] >> np.arange(16)) & 1  # every way to part them
    cost = labels @ unlikely(colours, found.foreground_colours)
    cost += ~labels @ unlikely(colours, found.background_colours)
    pairs = list(neighbours(*left.shape))
    steps = np.array([((colours[a] - colours[b]) ** 2).sum() for a, b, _ in pairs])
    for (a, b, far), step in zip(pairs, steps, strict=True):
        if free.flat[a] or free.flat[b]:
            cost += (labels[:, a] != labels[:, b]) * 50 / far * np.exp(-step / (2 * steps.mean()))
    best = labels[cost.argmin()].reshape(left.shape)
    pieces = cv2.connectedComponents(best.astype(np.uint8), connectivity=8)[1]
    np.testing.assert_array_equal(found.mask, pieces == pieces[0, 0])
    assert 0 < found.mask[free].sum() < 16


def test_of_two_objects_the_larger_is_kept():
    large, small = disc(96, 30, 30, 18), disc(96, 75, 75, 9)
    found = segment(painted(large | small), speckled(large | small))
    assert overlap(found.mask, large) > 0.95
    assert not (found.mask & small).any()


def test_pinned_pixels_stay_on_their_side():
    mask = disc(64, 30, 30, 14)
    photo, heat = painted(mask), speckled(mask)
    heat[30, 30], heat[31, 31] = 1e3, 0  # the least salient pixel lies in the object's middle
    assert segment(photo, heat).mask[31, 31]
    pinned = segment(photo, heat, pinned=1 / 4096)
    assert not pinned.mask[31, 31]
    assert pinned.mask[30, 30]


def test_the_same_answer_again_whatever_runs_beside(red_disc):
    _, photo, heat = red_disc
    before = photo.copy(), heat.copy()
    threads = cv2.getNumThreads()
    found = []
    try:
        for count in (1, 3):
            cv2.setNumThreads(count)
            cv2.setRNGSeed(count)
            found.append(segment(photo, heat, seed=2**32 - 1))
    finally:
        cv2.setNumThreads(threads)
    np.testing.assert_array_equal(found[0].mask, found[1].mask)
    np.testing.assert_array_equal(found[0].foreground_colours.means, found[1].foreground_colours.means)
    np.testing.assert_array_equal(photo, before[0])
    np.testing.assert_array_equal(heat, before[1])


def test_tensors_are_taken_as_well(red_disc):
    _, photo, heat = red_disc
    planes = torch.tensor(photo).permute(2, 0, 1) / 255
    for picture in (planes, planes.double(), torch.tensor(photo)):
        found = segment(picture, torch.tensor(heat).requires_grad_())
        np.testing.assert_array_equal(found.mask, segment(photo, heat).mask)


def test_a_coarse_map_is_enlarged():
    mask = disc(24, 10, 12, 6)
    fine = np.kron(mask, np.ones((4, 4))) > 0
    found = segment(painted(fine), speckled(mask))
    assert found.foreground_seeds.shape == found.mask.shape == (96, 96)
    assert overlap(found.mask, fine) > 0.95


def test_maps_that_are_mostly_zero():
    mask = disc(64, 30, 30, 14)
    heat = np.where(mask & (np.random.default_rng(0).random(mask.shape) < 0.2), 1.0, 0.0)
    found = segment(painted(mask), heat)  # both quantiles are zero
    np.testing.assert_array_equal(found.foreground_seeds, heat == 1)
    np.testing.assert_array_equal(found.background_seeds, heat == 0)
    found = segment(painted(mask), mask * 1.0, foreground=0.97)  # the upper quantile is the largest value
    np.testing.assert_array_equal(found.foreground_seeds, mask)
    assert overlap(found.mask, mask) > 0.95


NOISE = np.random.default_rng(0).integers(0, 256, (24, 24, 3)).astype(np.uint8)
CHANCE = np.random.default_rng(1).uniform(size=(24, 24))


@pytest.mark.parametrize(
    ("photo", "heat", "says"),
    [
        (NOISE, np.zeros((24, 24)), "the saliency is 0 in every pixel"),
        (NOISE, np.full((24, 24), 2.5), "the saliency is 2.5 in every pixel.*another target or rule"),
        (NOISE * 0 + 7, CHANCE, "the picture is of one colour"),
        (NOISE, CHANCE, r"leaves no object.*pin the most salient pixels \(--pinned 0.005\)"),
    ],
)
def test_where_nothing_can_be_cut_out(photo, heat, says):
    with pytest.raises(ImageError, match=says):
        segment(photo, heat)


@pytest.mark.parametrize(
    ("photo", "heat", "settings", "says"),
    [
        (NOISE, CHANCE[:, :-1], {}, r"map of \(24, 23\) does not fit a picture of \(24, 24\)"),
        (NOISE, CHANCE[::5, ::5], {}, "does not fit"),
        (NOISE, CHANCE[0], {}, "does not fit"),
        (NOISE, CHANCE[:0], {}, "does not fit"),
        (NOISE, np.where(CHANCE > 0.5, np.nan, 1), {}, "NaN or infinity"),
        (NOISE.astype(np.int64), CHANCE, {}, r"a picture is a \(3, H, W\) tensor"),
        (torch.zeros(1, 24, 24), CHANCE, {}, r"a picture is a \(3, H, W\) tensor"),
        (NOISE, CHANCE, {"foreground": 0.3}, "foreground 0.3 and background 0.3 are quantiles"),
        (NOISE, CHANCE, {"foreground": 1.0}, "two between 0 and 1"),
        (NOISE, CHANCE, {"background": 0.0}, "two between 0 and 1"),
        (NOISE, CHANCE, {"background": float("nan")}, "two between 0 and 1"),
        (NOISE, CHANCE, {"pinned": 0.6}, "0.6 of the pixels cannot be pinned"),
        (NOISE, CHANCE, {"iterations": -1}, "-1 iterations: give 0 or more"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(photo, heat, settings, says):
    with pytest.raises(DeconvvizError, match=says) as refusal:
        segment(photo, heat, **settings)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (2, 2), (1, 40), (3, 2)], ids=str)
@pytest.mark.parametrize("pinned", [0, 0.5])
def test_pictures_of_a_few_pixels(shape, pinned):
    random = np.random.default_rng(0)
    photo = random.integers(0, 256, (*shape, 3)).astype(np.uint8)
    try:
        found = segment(photo, random.uniform(size=shape), pinned=pinned, iterations=3)
    except ImageError:
        assert shape == (1, 1) or not pinned
    else:
        assert found.mask.any()


def viewing(name):
    """A network for its view alone: the whole middle square, or the middle of that."""
    return load_model("mini") if name == "mini" else outline("alexnet")


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (64, 64), (97, 211), (900, 500)], ids=str)
@pytest.mark.parametrize(("name", "side"), [("mini", 256), ("alexnet", 224)])
def test_a_box_goes_back_into_the_photograph(name, side, size):
    """The photograph's red tells the column and its green the row, each from 0 to 255."""
    network = viewing(name)
    across, down = (np.linspace(0, 255, n) for n in size)
    photo = np.zeros((size[1], size[0], 3), np.uint8)
    photo[..., 0], photo[..., 1] = across.round()[None], down.round()[:, None]
    picture = closer(network, Image.fromarray(photo))
    assert picture.shape == (3, side, side)
    box = Box(30, 50, 120, 90)
    found = in_photograph(box, size, network)
    for first, length, start, count, place, n in (
        (box.left, box.width, found.left, found.width, picture[0, 100], size[0]),
        (box.top, box.height, found.top, found.height, picture[1, :, 100], size[1]),
    ):
        per_pixel = n / 255
        seen = min(size) / side  # at least so many of its pixels go into one
        assert start == pytest.approx(place[first].item() * 255 * per_pixel, abs=1 + seen + per_pixel)
        end = place[first + length - 1].item() * 255 * per_pixel
        assert start + count == pytest.approx(end, abs=2 + seen + per_pixel)


def test_the_whole_view_is_the_middle_square():
    network = viewing("mini")
    assert in_photograph(Box(0, 0, 256, 256), (300, 200), network) == (0, 50, 200, 200)
    assert in_photograph(Box(0, 0, 256, 256), (200, 301), network) == (50, 0, 201, 200)
    network = viewing("alexnet")  # the crop leaves a sixteenth away on each side
    assert in_photograph(Box(0, 0, 224, 224), (320, 320), network) == (20, 20, 280, 280)
    assert in_photograph(Box(10, 10, 5, 5), (64, 64), network) == (6, 6, 2, 2)
    network.preset.resize_size = [200]  # smaller than the crop, which then has a border of twelve pixels
    assert in_photograph(Box(0, 0, 224, 224), (320, 320), network) == (0, 0, 320, 320)
    assert in_photograph(Box(12, 112, 100, 50), (200, 200), network) == (0, 100, 100, 50)


def test_a_box_in_coarser_pixels():
    assert Box(8, 4, 8, 12).coarser(4) == (2, 1, 2, 3)
    assert Box(7, 5, 2, 1).coarser(4) == (1, 1, 2, 1)
