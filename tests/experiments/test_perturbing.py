"""Changed features: each change against the same in slow plain form, and what all of them leave as it is."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from deconvviz.errors import UnitError
from deconvviz.experiments.perturbing import (
    NAMES,
    binarised,
    counts_up_to,
    dropped,
    interpolated,
    only_largest,
    perturbations,
    redrawn,
    relative_change,
    without_largest,
)

SHAPES = [(2, 9), (2, 7, 3, 4)]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def kept_by_hand(features: Tensor, count: int, by: str) -> Tensor:
    """Sorts entries, or maps by their strongest value, one image after the other."""
    found = torch.zeros_like(features)
    for i, image in enumerate(features):
        sized = [abs(unit) if by == "magnitude" else unit for unit in image]
        strength = [float(max(unit.flatten())) for unit in sized]
        for channel in sorted(range(len(strength)), key=lambda c: -strength[c])[:count]:
            found[i, channel] = image[channel]
    return found


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("by", ["value", "magnitude"])
def test_the_largest_and_the_rest_make_up_the_whole(shape: tuple[int, ...], by: str) -> None:
    features = noise(*shape)
    for count in (0, 1, 3, shape[1]):
        largest, rest = only_largest(features, count, by), without_largest(features, count, by)
        assert torch.equal(largest, kept_by_hand(features, count, by))
        assert torch.equal(largest + rest, features)
        assert not (largest * rest).any()


def test_value_and_magnitude_differ_where_scores_are_negative() -> None:
    scores = torch.tensor([[1.0, -3.0, 2.0]])
    assert only_largest(scores, 1).tolist() == [[0, 0, 2]]
    assert only_largest(scores, 1, "magnitude").tolist() == [[0, -3, 0]]
    assert without_largest(scores, 1).tolist() == [[1, -3, 0]]


def test_of_equal_ones_the_first_are_kept() -> None:
    assert only_largest(torch.zeros(1, 4) + 7, 2).tolist() == [[7, 7, 0, 0]]


@pytest.mark.parametrize("shape", SHAPES)
def test_binarised_keeps_signs_and_the_length(shape: tuple[int, ...]) -> None:
    features = noise(*shape).clamp_min(-0.5)
    features[:, 1] = 0
    found = binarised(features)
    assert torch.equal(found.sign(), features.sign())
    for before, after in zip(features, found, strict=True):
        length = math.sqrt(sum(float(v) ** 2 for v in before.flatten()))
        alive = int((before != 0).sum())
        assert after.abs().max().item() == pytest.approx(length / math.sqrt(alive))
        assert after.norm().item() == pytest.approx(length)
        assert after[after != 0].abs().std() < 1e-12
    assert not binarised(torch.zeros(1, 3)).any()


@pytest.mark.parametrize("shape", SHAPES)
def test_dropout_drops_exactly_its_share_and_is_nested(shape: tuple[int, ...]) -> None:
    features = noise(*shape).abs() + 1
    whole = features[0].numel()
    before = torch.zeros(shape[1:], dtype=torch.bool)
    for share in (0.0, 0.1, 0.25, 0.5, 0.9, 1.0):
        found = dropped(features, share, seed=3)
        gone = found[0] == 0
        assert int(gone.sum()) == round(share * whole)
        assert torch.equal(found[1] == 0, gone)  # the same for all images
        assert not (before & ~gone).any()
        assert torch.equal(found[:, ~gone], features[:, ~gone])
        before = gone
    assert torch.equal(dropped(features, 0), features)
    assert not torch.equal(dropped(features, 0.5, seed=1), dropped(features, 0.5, seed=2))


def test_rescaled_dropout_keeps_the_sum_on_average() -> None:
    ones = torch.ones(1, 400, dtype=torch.float64)
    found = dropped(ones, 0.75, rescale=True)
    assert found.unique().tolist() == [0, 4]
    assert found.sum().item() == pytest.approx(400)
    assert not dropped(ones, 1, rescale=True).any()


def test_what_is_drawn_anew_is_what_dropout_would_drop() -> None:
    features, others = noise(1, 6, 5, 5), noise(1, 6, 5, 5, seed=1)
    gone = dropped(features, 0.3, seed=4) == 0
    assert torch.equal(redrawn(features, others, 0.3, seed=4), torch.where(gone, others, features))
    assert torch.equal(redrawn(features, others, 1), others)


def test_the_line_between_two_ends_exactly_there() -> None:
    one, other = torch.randn(5, 3), torch.randn(5, 3)
    found = interpolated(one, other, 4)
    assert torch.equal(found[0], one)
    assert torch.equal(found[3], other)
    torch.testing.assert_close(found[1], one + (other - one) / 3)
    with pytest.raises(UnitError, match="1 steps are too few"):
        interpolated(one, other, 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_all_of_them_leave_the_features_alone(shape: tuple[int, ...]) -> None:
    features = noise(*shape)
    copy = features.clone()
    found = perturbations(features, 2, 0.5, seed=1)
    assert tuple(found) == NAMES
    assert torch.equal(features, copy)
    assert torch.equal(found["unchanged"], features)
    assert torch.equal(found["dropout"], dropped(features, 0.5, seed=1))
    assert all(changed.shape == features.shape for changed in found.values())
    alone = perturbations(features[1:], 2, 0.5, seed=1)
    assert all(torch.equal(alone[name][0], found[name][1]) for name in NAMES)


def test_how_far_features_were_moved() -> None:
    features = torch.tensor([[3.0, 4.0]])
    assert relative_change(features, torch.tensor([[3.0, 4.0], [0, 0], [3, 0]])).tolist() == [0, 1, 0.8]
    assert relative_change(torch.zeros(1, 2), torch.zeros(1, 2)).isnan().all()


def test_counts_end_with_the_whole() -> None:
    assert counts_up_to(1) == [1]
    assert counts_up_to(5) == [1, 2, 5]
    assert counts_up_to(256) == [1, 2, 5, 10, 20, 50, 100, 200, 256]


def test_what_is_refused() -> None:
    with pytest.raises(UnitError, match="have 9 entries, not 10"):
        only_largest(noise(1, 9), 10)
    with pytest.raises(UnitError, match="have 3 feature maps, not 4"):
        without_largest(noise(1, 3, 2, 2), 4)
    with pytest.raises(UnitError, match="ranked by value or by magnitude, not by 'size'"):
        only_largest(noise(1, 3), 1, "size")
