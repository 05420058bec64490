"""Errors of images and features against slow twins, and against what each must be by definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from deconvviz.errors import DataError, ImageError, WeightsError
from deconvviz.metrics import (
    Lpips,
    evenly_spaced,
    feature_error_db,
    feature_error_mv15,
    feature_error_mv16,
    image_error_db,
    mean_pair_distance,
    mean_squared_error,
    mean_squared_pair_distance,
    psnr,
    ssim,
)


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


X, R = noise(5, 3, 16, 20), noise(5, 3, 16, 20, seed=1)


def distances(vectors):
    """Of every row to every other, one at a time."""
    rows = vectors.double().flatten(1).numpy()
    return np.array([[math.sqrt(((a - b) ** 2).sum()) for b in rows] for a in rows])


def test_mean_pair_distance_is_that_of_all_pairs():
    vectors = 3 + noise(7, 3, 50, 40)  # more values than are multiplied at a time
    found = distances(vectors)
    assert mean_pair_distance(vectors) == pytest.approx(found[np.triu_indices(7, 1)].mean(), rel=1e-12)
    assert mean_squared_pair_distance(vectors) == pytest.approx((found**2).mean(), rel=1e-12)


def test_distances_that_are_small_beside_the_values_keep_their_digits():
    vectors = torch.tensor([[1e6, 1e6], [1e6 + 3, 1e6 + 4]], dtype=torch.float64)
    assert mean_pair_distance(vectors) == pytest.approx(5, rel=1e-9)
    assert mean_squared_pair_distance(vectors) == pytest.approx(12.5, rel=1e-9)  # the mean of 0, 0, 25, 25


def test_large_sets_are_thinned_evenly():
    vectors = torch.arange(9.0)[:, None]
    vectors[[1, 2, 3, 5, 6, 7]] = 1e3  # not among those taken
    assert mean_pair_distance(vectors, most=3) == pytest.approx((4 + 4 + 8) / 3)
    rows = evenly_spaced(50_000, 1000)
    assert len({*rows.tolist()}) == 1000
    assert (rows[0], rows[-1]) == (0, 49_999)
    assert {*np.diff(rows).tolist()} == {50, 51}


@pytest.mark.parametrize("distance", [mean_pair_distance, mean_squared_pair_distance])
@pytest.mark.parametrize("rows", [0, 1])
def test_one_row_has_no_pairs(distance, rows):
    with pytest.raises(DataError, match=f"at least two .* not {rows}"):
        distance(torch.ones(rows, 3))


def test_errors_are_their_formulas():
    x, r = X.double().numpy(), R.double().numpy()
    squares = [((a - b) ** 2).sum() for a, b in zip(x, r, strict=True)]
    roots = np.sqrt(squares)
    lengths = [math.sqrt((a**2).sum()) for a in x]
    wanted = {
        image_error_db(X, R, 2.5): roots / 2.5,
        feature_error_db(X, R, 2.5): roots / 2.5,
        feature_error_mv15(X, R, 2.5): np.array(squares) / 2.5,
        feature_error_mv16(X, R): roots / lengths,
        mean_squared_error(X, R): np.array(squares) / (3 * 16 * 20),
    }
    for found, value in wanted.items():
        assert found.dtype == torch.float64
        np.testing.assert_allclose(found.numpy(), value, rtol=1e-6)


def test_zero_features_have_a_relative_error_of_one():
    features = noise(3, 8)
    assert feature_error_mv16(features, 0 * features).tolist() == [1, 1, 1]


def test_another_image_of_the_set_is_an_error_of_one_on_average():
    images = noise(6, 3, 8, 8)
    pairs = [(i, j) for i in range(6) for j in range(6) if i != j]
    first, second = (images[[pair[k] for pair in pairs]] for k in (0, 1))
    assert float(image_error_db(first, second, mean_pair_distance(images)).mean()) == pytest.approx(1)


def test_psnr_agrees_with_torchmetrics():
    from torchmetrics.functional.image import peak_signal_noise_ratio

    wanted = peak_signal_noise_ratio(R, X, data_range=1.0, reduction="none", dim=(1, 2, 3))
    torch.testing.assert_close(psnr(X, R), wanted.double(), rtol=1e-5, atol=0)
    assert psnr(X, X).tolist() == [math.inf] * 5
    assert psnr(X[:1] * 0, X[:1] * 0 + 0.1)[0] == pytest.approx(20)


def slow_ssim(x, r):
    """Of one channel, place by place."""
    offsets = np.arange(-5, 6)
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    x, r = (np.pad(a, 5, mode="reflect") for a in (x, r))
    places = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            a, b = x[i : i + 11, j : j + 11], r[i : i + 11, j : j + 11]
            m, n = (window * a).sum(), (window * b).sum()
            va, vb = (window * (a - m) ** 2).sum(), (window * (b - n) ** 2).sum()
            both = (window * (a - m) * (b - n)).sum()
            places.append(
                (2 * m * n + 1e-4) * (2 * both + 9e-4) / ((m * m + n * n + 1e-4) * (va + vb + 9e-4))
            )
    return np.mean(places)


def test_ssim_is_wangs_formula_image_by_image():
    r = 0.7 * X + 0.3 * R
    wanted = [
        np.mean([slow_ssim(a, b) for a, b in zip(x, y, strict=True)])
        for x, y in zip(X.double().numpy(), r.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(ssim(X, r).numpy(), wanted, atol=1e-5)
    np.testing.assert_allclose(ssim(X, X).numpy(), 1, atol=1e-6)


def test_images_smaller_than_the_window_have_no_ssim():
    assert not ssim(X[..., :11, :11], R[..., :11, :11]).isnan().any()
    small = ssim(X[..., :10], R[..., :10])
    assert small.shape == (5,)
    assert small.isnan().all()


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="shapes differ"):
        mean_squared_error(X, R[:1])


SHAPES = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}


def alexnet_like():
    state = {}
    for number, (out, maps, side) in SHAPES.items():
        weight = noise(out, maps, side, side, seed=number) - 0.5
        state[f"features.{number}.weight"] = weight * (12 / (maps * side**2)) ** 0.5
        state[f"features.{number}.bias"] = 0.1 * noise(out, seed=number)
    return state


@pytest.fixture(scope="module")
def lpips():
    before = torch.random.get_rng_state()
    made = Lpips(alexnet_like())
    assert torch.equal(torch.random.get_rng_state(), before)
    return made


def test_lpips_is_zero_for_equal_images_and_grows_with_the_difference(lpips):
    x, r = noise(3, 3, 40, 40), noise(3, 3, 40, 40, seed=1)
    found = [lpips(x, (1 - share) * x + share * r) for share in (0, 0.3, 1)]
    assert found[0].tolist() == [0, 0, 0]
    assert (found[1] > 1e-4).all()
    assert (found[2] > found[1]).all()
    torch.testing.assert_close(lpips(x[:1], r[:1]), found[2][:1], rtol=1e-4, atol=0)
    assert found[2].dtype == torch.float64


def test_lpips_is_zhangs_formula_on_the_weights_given(lpips):
    x, r = noise(2, 3, 33, 33), noise(2, 3, 33, 33, seed=1)
    state = alexnet_like()
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    settings = {0: (4, 2, False), 3: (1, 2, True), 6: (1, 1, True), 8: (1, 1, False), 10: (1, 1, False)}
    a, b = (((2 * image - 1).sub(shift[:, None, None])).div(scale[:, None, None]) for image in (x, r))
    total = torch.zeros(2)
    for layer, (number, (stride, padding, pools)) in enumerate(settings.items()):
        kernel, bias = state[f"features.{number}.weight"], state[f"features.{number}.bias"]
        if pools and number < 8:
            a, b = (torch.nn.functional.max_pool2d(m, 3, 2) for m in (a, b))
        a, b = (torch.nn.functional.conv2d(m, kernel, bias, stride, padding).relu() for m in (a, b))
        one, two = (m / (m.norm(dim=1, keepdim=True) + 1e-10) for m in (a, b))
        weights = lpips.network.lins[layer].model[-1].weight
        total += ((one - two) ** 2 * weights[0][None]).sum(1).mean((1, 2))
    torch.testing.assert_close(lpips(x, r).float(), total, rtol=1e-3, atol=1e-6)


def test_lpips_refuses_weights_that_are_not_alexnets():
    state = alexnet_like()
    with pytest.raises(WeightsError, match=r"no 'features.8.bias'"):
        Lpips({name: value for name, value in state.items() if name != "features.8.bias"})
    state["features.3.weight"] = state["features.3.weight"][:, :3]
    with pytest.raises(WeightsError, match=r"'features.3.weight' is \(192, 3, 5, 5\), not \(192, 64, 5, 5\)"):
        Lpips(state)


def test_lpips_says_what_is_too_small(lpips):
    assert (lpips(X[:, :, :0, :0].new_ones(1, 3, 31, 31), noise(1, 3, 31, 31)) > 0).all()
    with pytest.raises(ImageError, match="at least 31 pixels a side; these have 30x31"):
        lpips(noise(1, 3, 30, 31), noise(1, 3, 30, 31))
