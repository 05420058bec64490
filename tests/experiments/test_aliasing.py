"""Aliasing, spectrum and smoothness of kernels, against a padded Fourier transform and plain loops."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from deconvviz.experiments.aliasing import aliasing, smoothness, spectrum


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def grating(cycles_down, cycles_across, side=11):
    """(1, 3, side, side): a wave of so many cycles a pixel under a bell, the same in every colour."""
    places = torch.arange(side, dtype=torch.float64) - side // 2
    wave = (2 * math.pi * (cycles_down * places[:, None] + cycles_across * places[None])).cos()
    bell = (-(places[:, None] ** 2 + places[None] ** 2) / (2 * (side / 4) ** 2)).exp()
    return (wave * bell).expand(1, 3, side, side).clone()


def slow_share(kernel, stride, dilation, side=256):
    """The share of a kernel's energy beyond the box, by summing a finely sampled spectrum."""
    height, width = ((n - 1) * d + 1 for n, d in zip(kernel.shape[1:], dilation, strict=True))
    placed = torch.zeros(len(kernel), height, width, dtype=torch.float64)
    placed[:, :: dilation[0], :: dilation[1]] = kernel
    power = torch.fft.fft2(placed, s=(side, side)).abs().square().sum(0)
    down, across = (
        # a frequency on the limit itself counts half, as its cell lies half inside
        ((f < 1 / (2 * s)).double() + (f == 1 / (2 * s)).double() / 2 if s > 1 else torch.ones(side))
        for s, f in ((s, torch.fft.fftfreq(side, dtype=torch.float64).abs()) for s in stride)
    )
    inside = (power * down[:, None] * across[None]).sum()
    return float(1 - inside / power.sum())


@pytest.mark.parametrize("stride", [(2, 2), (4, 4), (1, 4), (4, 2)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 1)])
def test_the_share_is_that_of_a_padded_fourier_transform(stride, dilation):
    kernels = torch.cat([noise(3, 3, 7, 5), grating(0.02, 0.05)[..., 2:9, 3:8]])
    found = aliasing(kernels, stride, dilation)
    expected = [slow_share(kernel, stride, dilation) for kernel in kernels]
    assert found.tolist() == pytest.approx(expected, abs=1e-3)


def test_fine_gratings_alias_at_stride_4_and_coarse_ones_do_not():
    fine, middle, coarse = grating(0, 0.4), grating(0.18, 0), grating(0.03, 0)
    kernels = torch.cat([fine, middle, coarse])
    wide, ours, dense = (aliasing(kernels, (s, s)).tolist() for s in (4, 2, 1))
    assert wide[0] > 0.95
    assert wide[1] > 0.7
    assert wide[2] < 0.1
    assert ours[0] > 0.9
    assert ours[1] < 0.1  # what ZFNet's smaller stride was for
    assert ours[2] < 0.01
    assert dense == [0, 0, 0]


def test_noise_has_the_share_of_the_area_beyond_the_box():
    for stride in (2, 4):
        found = aliasing(noise(2000, 3, 5, 5), (stride, stride)).mean()
        assert float(found) == pytest.approx(1 - 1 / stride**2, abs=0.01)


def test_size_sign_and_colour_do_not_matter():
    kernels = noise(4, 3, 7, 7)
    found = aliasing(kernels, (4, 4))
    torch.testing.assert_close(aliasing(-20 * kernels[:, [2, 0, 1]], (4, 4)), found)
    assert aliasing(torch.zeros(1, 3, 5, 5), (4, 4)).tolist() == [0]
    assert ((found > 0) & (found < 1)).all()
    assert aliasing(kernels.float(), (4, 4)).dtype == torch.float64


def test_a_spectrum_peaks_at_the_gratings_frequency():
    found = spectrum(torch.cat([grating(0, 0.25), torch.zeros(1, 3, 11, 11)]))
    assert found.shape == (64, 64)
    assert float(found.mean()) == pytest.approx(1)
    row, column = divmod(int(found[:, 32:].argmax()), 32)
    assert (row, column / 64) == (32, pytest.approx(0.25, abs=0.02))
    torch.testing.assert_close(spectrum(torch.cat([20 * grating(0, 0.25)])), found)
    assert not spectrum(torch.zeros(2, 3, 5, 5)).any()
    assert spectrum(noise(1, 1, 3, 70)).shape == (70, 70)


def slow_smoothness(kernel):
    sums = []
    for axis in (0, 1):
        products = first = second = 0.0
        for plane in kernel.transpose(1, 1 + axis).tolist():
            for upper, lower in pairwise(plane):
                for a, b in zip(upper, lower, strict=True):
                    products, first, second = products + a * b, first + a * a, second + b * b
        sums.append(products / math.sqrt(first * second))
    return max(sums)


def test_smoothness_tells_patterns_from_noise():
    checkers = torch.ones(1, 3, 6, 6, dtype=torch.float64)
    checkers[..., ::2, ::2] = checkers[..., 1::2, 1::2] = -1
    kernels = torch.cat([noise(3, 3, 6, 6), grating(0, 0.4)[..., 2:8, 2:8], checkers, 0 * checkers + 7])
    found = smoothness(kernels).tolist()
    assert found == pytest.approx([slow_smoothness(kernel) for kernel in kernels])
    assert max(found[:3]) < 0.4  # noise
    assert found[3] > 0.8  # fine stripes, smooth along themselves
    assert found[4:] == pytest.approx([-1, 1])


def test_what_has_no_neighbours_has_no_smoothness():
    assert smoothness(noise(2, 3, 1, 1)).isnan().all()
    one, none = smoothness(torch.cat([torch.ones(1, 1, 1, 4), torch.zeros(1, 1, 1, 4)])).tolist()
    assert one == pytest.approx(1)
    assert math.isnan(none)
