"""Statistics of units, gathered batch by batch: against the whole at once; draws against what was fitted."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from deconvviz.errors import DataError
from deconvviz.experiments.feature_statistics import FeatureStatistics


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def gathered(features: Tensor, parts: int, most: int = 1000, seed: int = 0) -> FeatureStatistics:
    statistics = FeatureStatistics(most, seed)
    for part in features.chunk(parts):
        statistics.add(part)
    return statistics


@pytest.mark.parametrize("shape", [(60, 5), (60, 3, 2, 2)])
def test_batches_add_up_to_the_whole(shape: tuple[int, ...]) -> None:
    features = 1000 + noise(*shape)  # a mean far from zero must not cost the deviation its digits
    for parts in (1, 7, 60):
        found = gathered(features, parts)
        assert (found.count, found.kept) == (60, 60)
        torch.testing.assert_close(found.mean, features.double().mean(0))
        torch.testing.assert_close(found.deviation, features.double().std(0, correction=0))
    below = gathered(features - 1000, 7)
    torch.testing.assert_close(below.firing, (features - 1000 > 0).double().mean(0))
    assert not below.rectified
    assert gathered((features - 1000).clamp_min(0), 7).rectified


def test_of_more_images_than_are_kept_each_is_as_likely() -> None:
    times = torch.zeros(20)
    for seed in range(300):
        found = gathered(torch.arange(20.0)[:, None], 6, most=5, seed=seed)
        assert (found.count, found.kept) == (20, 5)
        rows = [int(row) for row in found._kept]
        assert len(set(rows)) == 5
        times[rows] += 1
    # each is kept 75 times in the mean, with a standard deviation of 7.5
    assert times.min() > 75 - 4 * 7.5
    assert times.max() < 75 + 4 * 7.5


def test_empirical_draws_are_values_of_the_same_unit_and_units_are_independent() -> None:
    features = noise(200, 1).expand(200, 2) + torch.tensor([0.0, 100.0])  # the two units go together
    found = gathered(features, 9)
    drawn = found.draw(4000)
    for unit in range(2):
        assert set(drawn[:, unit].tolist()) <= set(features[:, unit].tolist())
    assert drawn.mean(0).tolist() == pytest.approx(features.mean(0).tolist(), abs=0.1)
    assert torch.corrcoef(features.T)[0, 1] > 0.999
    assert abs(float(torch.corrcoef(drawn.T)[0, 1])) < 0.08
    assert not torch.equal(found.draw(5), found.draw(5))
    assert torch.equal(gathered(features, 9).draw(5), gathered(features, 9).draw(5))


def test_the_cut_gaussian_that_made_the_values_is_found_again() -> None:
    mean, spread = torch.tensor([-1.0, 0.0, 2.0]), torch.tensor([2.0, 1.0, 0.5])
    found = gathered((mean + spread * noise(20_000, 3)).clamp_min(0), 4, most=10)
    fitted, fitted_spread = found.gaussian()
    assert fitted.tolist() == pytest.approx(mean.tolist(), abs=0.06)
    assert fitted_spread.tolist() == pytest.approx(spread.tolist(), abs=0.06)
    drawn = found.draw(20_000, "gaussian")
    assert (drawn >= 0).all()
    torch.testing.assert_close((drawn > 0).double().mean(0), found.firing, atol=0.015, rtol=0)
    torch.testing.assert_close(drawn.double().mean(0), found.mean, atol=0.03, rtol=0)


def test_units_that_never_or_always_fire() -> None:
    features = torch.stack([torch.zeros(50), 3 + 0.1 * noise(50)], 1)
    found = gathered(features, 2)
    mean, spread = found.gaussian()
    assert mean.tolist() == pytest.approx([0, features[:, 1].mean().item()])
    assert spread.tolist() == pytest.approx([0, features[:, 1].std(correction=0).item()])
    assert not found.draw(9, "gaussian")[:, 0].any()
    assert found.draw(9, "gaussian").isfinite().all()


def test_without_a_rectifier_it_is_a_plain_one() -> None:
    features = noise(400, 2) * torch.tensor([1.0, 3.0])
    found = gathered(features, 3)
    assert torch.equal(torch.stack(found.gaussian()), torch.stack((found.mean, found.deviation)))
    assert (found.draw(50, "gaussian") < 0).any()


def test_values_kept_are_bounded_by_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deconvviz.experiments.feature_statistics._MOST_BYTES", 4 * 6 * 3)
    assert gathered(noise(10, 6), 2).kept == 3


def test_what_is_refused() -> None:
    with pytest.raises(DataError, match="no features were gathered"):
        FeatureStatistics().draw(1)
    with pytest.raises(DataError, match="no features were gathered"):
        FeatureStatistics().gaussian()
    found = gathered(noise(3, 2), 1)
    with pytest.raises(DataError, match="drawn empirical or gaussian, not 'uniform'"):
        found.draw(1, "uniform")
    with pytest.raises(DataError, match="no numbers"):
        found.add(torch.tensor([[math.nan, 1.0]]))
