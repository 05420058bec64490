"""Flips and crops against plain arithmetic and torchvision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import functional

from deconvviz.training.augment import affine_draws, augmented, erased, normalised, resized, square_draws
from deconvviz.training.settings import Settings

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def images(count=2, side=16, seed=0):
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def pixels(count=3, side=12, seed=0):
    return torch.from_numpy(
        np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    )


def draws(count=64, seed=0, **settings):
    return affine_draws(count, Settings(**settings), torch.Generator().manual_seed(seed), 32)


def test_no_crop_and_no_flip_is_the_identity():
    maps = draws(5, crop="none", flip=False)
    assert torch.equal(maps, torch.eye(2, 3).expand(5, 2, 3))
    before = images(5)
    torch.testing.assert_close(augmented(before, maps, 16), before, rtol=0, atol=1e-5)


@pytest.mark.parametrize("side", [15, 16])
def test_a_flip_mirrors(side):
    before = images(2, side)
    maps = torch.eye(2, 3).repeat(2, 1, 1)
    maps[1, 0, 0] = -1
    after = augmented(before, maps, side)
    torch.testing.assert_close(after[0], before[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(after[1], before[1].flip(-1), rtol=0, atol=1e-5)


def test_about_every_second_image_is_mirrored():
    maps = draws(1000, crop="none", flip=True)
    assert set(maps[:, 0, 0].tolist()) == {-1.0, 1.0}
    assert 400 < (maps[:, 0, 0] < 0).sum() < 600
    assert (maps[:, 1, 1] == 1).all()  # never upside down
    assert (draws(1000, crop="resized", flip=False)[:, 0, 0] > 0).all()


@pytest.mark.parametrize(("right", "down"), [(0, 0), (2, 0), (-2, 1), (1, -2)])
def test_a_shift_by_whole_pixels_is_a_padded_crop(right, down):
    side = 16
    before = images(1, side)
    maps = torch.eye(2, 3)[None].clone()
    maps[0, 0, 2], maps[0, 1, 2] = 2 * right / side, 2 * down / side
    padded = np.pad(before.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="symmetric")
    expected = padded[:, :, 2 + down : 2 + down + side, 2 + right : 2 + right + side]
    np.testing.assert_allclose(augmented(before, maps, side).numpy(), expected, atol=1e-5)


def test_shifts_are_whole_pixels_up_to_an_eighth():
    maps = draws(2000, crop="shift", flip=False)
    moved = maps[:, :, 2] / 2 * 32
    for axis in moved.T:
        assert set(axis.tolist()) == set(range(-4, 5))
        assert abs(axis.mean()) < 0.3
    assert torch.equal(maps[:, :, :2], torch.eye(2).expand(2000, 2, 2))


@pytest.mark.parametrize("smallest", [0.08, 0.35, 0.75, 0.9, 1.0])
def test_resized_crops_stay_inside_and_within_their_areas(smallest):
    maps = draws(4000, crop="resized", smallest_crop=smallest)
    sides, middles = torch.stack([maps[:, 0, 0].abs(), maps[:, 1, 1]], 1), maps[:, :, 2]
    assert (middles.abs() + sides <= 1 + 1e-5).all()
    area = sides.prod(1)
    assert area.max() <= 1 + 1e-5
    assert area.min() >= smallest - 1e-4
    ratio = sides[:, 0] / sides[:, 1]
    assert ratio.max() <= 4 / 3 + 1e-4
    assert ratio.min() >= 3 / 4 - 1e-4
    if smallest < 0.5:  # and the range is used
        assert area.min() < smallest + 0.02
        assert area.max() > 0.95
        assert ratio.max() > 1.3
        assert ratio.min() < 0.77


def test_a_resized_crop_shows_its_part_of_the_image():
    ramp = torch.arange(16.0).expand(1, 3, 16, 16)  # brightness is the column
    maps = torch.tensor([[[0.5, 0.0, 0.25], [0.0, 0.5, -0.5]]])
    columns = augmented(ramp, maps, 8)[0, 0, 0]
    torch.testing.assert_close(columns, torch.arange(8.0) + 6)  # 4 to 12 in the middle, 2 further right


@pytest.mark.parametrize("settings", [{}, {"crop": "shift"}, {"crop": "none"}, {"flip": False}])
def test_two_shares_are_the_whole(settings):
    before, maps = images(8), draws(8, **settings)
    again = draws(8, **settings)
    assert torch.equal(maps, again)
    parts = [augmented(before[part], again[part], 12) for part in (slice(0, 4), slice(4, 8))]
    torch.testing.assert_close(torch.cat(parts), augmented(before, maps, 12), rtol=0, atol=1e-6)


def test_another_generator_draws_other_crops():
    assert not torch.equal(draws(8, seed=0), draws(8, seed=1))


@pytest.mark.parametrize("channels_last", [True, False])
def test_normalised_is_plain_arithmetic(channels_last):
    before = pixels()
    kept = before.clone()
    found = normalised(before, MEAN, STD, channels_last)
    expected = (before.numpy().transpose(0, 3, 1, 2) / 255 - np.reshape(MEAN, (3, 1, 1))) / np.reshape(
        STD, (3, 1, 1)
    )
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last) is channels_last
    assert found.is_contiguous() is not channels_last
    assert torch.equal(before, kept)


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_memory_layout_stays(channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    before = images(4).to(memory_format=layout)
    for after in (augmented(before, draws(4), 12), resized(before, 12)):
        assert after.is_contiguous(memory_format=layout)


@pytest.mark.parametrize(("before", "after"), [(32, 16), (31, 12), (16, 24), (20, 20)])
def test_resized_is_torchvisions_own(before, after):
    given = pixels(1, before)
    expected = functional.resize(given.permute(0, 3, 1, 2), [after, after], antialias=True)
    found = resized(given.permute(0, 3, 1, 2).float(), after)
    assert found.shape == (1, 3, after, after)
    assert (found - expected.float()).abs().max() <= 1


def test_a_square_of_each_image_is_blanked():
    before = images(3, 16)
    middles = torch.tensor([[0.5, 0.5], [0.0, 1.0], [0.25, 0.75]])
    after = erased(before, middles, 0.5)
    wanted = before.clone()
    for image, rows, columns in ((0, (4, 12), (4, 12)), (1, (0, 4), (12, 16)), (2, (0, 8), (8, 16))):
        wanted[image, :, slice(*rows), slice(*columns)] = 0
    assert torch.equal(after, wanted)
    assert torch.equal(erased(before, middles, 0), before)


def test_squares_are_anywhere():
    middles = square_draws(2000, torch.Generator().manual_seed(0))
    assert middles.shape == (2000, 2)
    assert (middles.mean(0) - 0.5).abs().max() < 0.03
    assert (middles.min(0).values < 0.01).all()
    assert (middles.max(0).values > 0.99).all()
