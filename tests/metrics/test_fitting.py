"""The best affine fit against least squares written out, and what a best fit promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from deconvviz.metrics import affine_fit, determination, explained

from ..strategies import noise


def naive(original: Tensor, picture: Tensor) -> Tensor:
    """Scale and shift of each channel from the normal equations' solver."""
    fitted = torch.empty_like(original)
    for c in range(len(original)):
        known = np.stack([picture[c].flatten().numpy(), np.ones(picture[c].numel())], 1)
        (scale, shift), *_ = np.linalg.lstsq(known, original[c].flatten().numpy(), rcond=None)
        fitted[c] = scale * picture[c] + shift
    return fitted


def test_equals_least_squares() -> None:
    originals, pictures = noise(0, 3, 3, 6, 5), noise(1, 3, 3, 6, 5) * 40 - 7
    found = affine_fit(originals, pictures)
    for k in range(3):
        torch.testing.assert_close(found[k], naive(originals[k], pictures[k]), rtol=1e-10, atol=1e-10)


def test_scale_and_shift_of_the_picture_do_not_matter() -> None:
    originals, pictures = noise(0, 2, 3, 6, 5), noise(1, 2, 3, 6, 5)
    scale, shift = noise(2, 1, 3, 1, 1), noise(3, 1, 3, 1, 1)
    found = affine_fit(originals, scale * pictures + shift)
    torch.testing.assert_close(found, affine_fit(originals, pictures), rtol=1e-9, atol=1e-9)


def test_what_is_left_has_nothing_in_common_with_the_picture() -> None:
    originals, pictures = noise(0, 2, 3, 6, 5), noise(1, 2, 3, 6, 5)
    left = originals - affine_fit(originals, pictures)
    for values in (left.mean((2, 3)), (left * pictures).mean((2, 3))):
        torch.testing.assert_close(values, torch.zeros_like(values), rtol=0, atol=1e-12)


@pytest.mark.parametrize("value", [0.0, 1.0, -1e6, 0.1])
def test_a_flat_channel_becomes_the_mean_colour(value: float) -> None:
    originals, pictures = noise(0, 1, 3, 6, 5), noise(1, 1, 3, 6, 5)
    pictures[:, 1] = value
    found = affine_fit(originals.float(), pictures.float())
    assert found.dtype == torch.float64
    mean = originals.float().double()[0, 1].mean()
    torch.testing.assert_close(found[0, 1], mean.expand(6, 5), rtol=1e-12, atol=1e-12)
    assert found[0, 0].std() > 0


def test_a_faint_signal_is_fitted_too() -> None:
    originals = noise(0, 1, 3, 6, 5)
    for faint in (1e-20 * originals, 3 + 1e-5 * originals):
        torch.testing.assert_close(affine_fit(originals, faint), originals, rtol=1e-6, atol=1e-6)


def test_what_is_explained() -> None:
    originals, other = noise(0, 2, 3, 6, 5), noise(1, 2, 3, 6, 5)
    assert explained(originals, 3 - originals).tolist() == pytest.approx([1, 1], abs=1e-12)
    assert explained(originals, torch.zeros_like(originals)).tolist() == [0, 0]
    half = explained(originals, originals + other)
    wanted = [
        1 - ((o - naive(o, o + e)) ** 2).sum() / ((o - o.mean((1, 2), True)) ** 2).sum()
        for o, e in zip(originals, other, strict=True)
    ]
    torch.testing.assert_close(half, torch.stack(wanted), rtol=1e-10, atol=1e-10)
    assert ((half > 0.1) & (half < 0.9)).all()
    rounded = torch.full((1, 3, 4, 4), 0.1)
    rounded[0, 0, 0, 0] += 1e-8
    assert explained(rounded, other[:1, :, :4, :4].float()).isnan().all()
    assert explained(torch.ones(1, 3, 4, 4), other[:1, :, :4, :4]).isnan().all()


def test_a_flat_picture_of_the_mean_colour_explains_nothing_and_any_other_less() -> None:
    originals = noise(0, 2, 3, 6, 5)
    flat = originals.mean((2, 3), keepdim=True).expand_as(originals)
    assert determination(originals, originals).tolist() == [1, 1]
    assert determination(originals, flat).abs().max() < 1e-12
    squares = originals.var((2, 3), correction=0).sum(1)
    assert determination(originals, flat + 2).tolist() == pytest.approx((-12 / squares).tolist())


def test_shapes_have_to_agree() -> None:
    for measure in (affine_fit, determination, explained):
        with pytest.raises(ValueError, match="shapes differ"):
            measure(noise(0, 1, 3, 4, 4), noise(0, 1, 3, 4, 5))
