"""The loop of all images by optimisation: steps that lead nowhere, early ends, parts of a batch."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from deconvviz.preimage.optimising import PATIENCE, Outcome, optimise

START = torch.tensor([1.0, -0.5, 0.25, 2.0, -1.0])[:, None, None, None].expand(5, 3, 2, 2)


class Descent:
    """Plain gradient descent on what is measured, from `START`."""

    def __init__(self, rate: float) -> None:
        self.variable, self.rate, self.slower, self.restarts = START.clone(), rate, 1.0, 0

    def shown(self, step: int) -> Tensor:
        return self.images()

    def leak(self, step: int) -> tuple[float, float]:
        return 0.0, 0.0

    def energy(self, errors: Tensor, step: int) -> Tensor:
        return errors + 0.5 * self.variable.square().flatten(1).sum(1)

    def move(self, gradient: Tensor, step: int) -> None:
        self.variable.sub_(gradient, alpha=self.slower * self.rate)

    def restart(self) -> None:
        self.restarts += 1

    def images(self) -> Tensor:
        return self.variable * 1


def bowl(images: Tensor, rows: slice) -> Tensor:
    """½ x², which makes the energy x² and its slope 2 x; no number far away."""
    inside = images.detach().abs().amax((1, 2, 3)) < 3
    return torch.where(inside, 0.5 * images.square().flatten(1).sum(1), torch.nan)


def run(rate: float, measure: Callable[[Tensor, slice], Tensor] = bowl, **options: object) -> Outcome:
    return optimise(Descent(rate), measure, **{"iterations": 6, "at_once": 16, **options})  # type: ignore[arg-type]


def test_the_gradient_is_that_of_the_whole_energy() -> None:
    found = run(0.1)
    torch.testing.assert_close(found.images, START * 0.8**6)
    wanted = 0.5 * 12 * START[:, 0, 0, 0].square() * 0.64 ** torch.arange(6)[:, None]
    torch.testing.assert_close(found.curve, wanted)
    assert (found.stopped, found.slower) == ("", 1)
    assert not found.images.requires_grad


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_parts_of_a_batch_give_the_same_and_are_forgotten_one_by_one(at_once: int) -> None:
    kept: weakref.WeakSet[Kept] = weakref.WeakSet()
    parts: list[slice] = []

    def measure(images: Tensor, rows: slice) -> Tensor:
        if not images.requires_grad:
            return bowl(images, rows)
        assert not [*kept]  # nothing of the parts before
        assert torch.equal(images, START[rows])
        parts.append(rows)

        def keep(tensor: Tensor) -> Kept:
            kept.add(one := Kept(tensor))
            return one

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda one: one.tensor):
            values = bowl(images, rows)
        assert [*kept]
        return values

    found = run(0.1, measure, iterations=1, at_once=at_once)
    torch.testing.assert_close(found.images, START * 0.8)
    assert [row for rows in parts for row in range(5)[rows]] == [*range(5)]
    assert max(len(range(5)[rows]) for rows in parts) == at_once


class Kept:
    """A tensor that a forward pass keeps for its way back."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def test_a_step_that_leads_to_no_numbers_is_taken_back_at_half_the_rate() -> None:
    method = Descent(1.2)  # each step overshoots: x -> -1.4 x
    found = optimise(method, bowl, 12, 16)
    assert (found.stopped, found.slower, method.restarts) == ("", 0.5, 1)
    # 2 -> -2.8 -> no number; back to the lowest energy so far, which is the start; then x -> -0.2 x
    assert len(found.curve) == 12
    assert torch.isfinite(found.curve).all()
    torch.testing.assert_close(found.curve[2], found.curve[0])
    torch.testing.assert_close(found.images, START * (-0.2) ** 10)


def test_rates_are_halved_only_so_often() -> None:
    def walled(images: Tensor, rows: slice) -> Tensor:
        moved = (images - START[rows]).flatten(1).abs().sum(1) > 0
        return torch.where(moved, torch.inf, images.square().flatten(1).sum(1))

    found = run(0.1, walled, iterations=20)
    assert (found.stopped, found.slower) == ("diverged", 0.5**PATIENCE)
    assert PATIENCE == 8
    assert torch.equal(found.images, START)
    assert torch.isfinite(found.curve).all()


def test_no_numbers_from_the_start() -> None:
    found = run(0.1, lambda images, rows: images.flatten(1).sum(1) * torch.nan)
    assert (found.stopped, found.slower) == ("diverged", 0.5**8)
    assert found.curve.shape == (0, 5)
    assert torch.equal(found.images, START)


def test_a_slope_that_is_no_number() -> None:
    def rooted(images: Tensor, rows: slice) -> Tensor:
        return images.flatten(1).abs().sum(1).sqrt() + (images - START[rows]).flatten(1).abs().sum(1).sqrt()

    assert run(0.1, rooted).stopped == "diverged"


def test_a_last_step_that_leads_to_no_numbers_is_taken_back_where_it_does() -> None:
    found = run(1.2, iterations=2)  # the fourth image is at -2.8, and then where there are no numbers
    assert (found.stopped, found.slower) == ("", 1)
    assert torch.equal(found.images[3], START[3])
    torch.testing.assert_close(found.images[:3], START[:3] * 1.96)


def test_ctrl_c_leaves_the_lowest_energy_so_far() -> None:
    told: list[int] = []

    def watch(step: int, values: Tensor) -> None:
        told.append(step)
        if step == 2:
            raise KeyboardInterrupt

    found = run(1.05, watch=watch)  # upwards: x -> -1.1 x
    assert (found.stopped, told, len(found.curve)) == ("interrupted", [0, 1, 2], 3)
    assert torch.equal(found.images, START)
    found = run(0.1, watch=watch)
    torch.testing.assert_close(found.images, START * 0.64)


def test_ctrl_c_during_a_pass() -> None:
    def measure(images: Tensor, rows: slice) -> Tensor:
        raise KeyboardInterrupt

    found = run(0.1, measure)
    assert (found.stopped, len(found.curve)) == ("interrupted", 0)
    assert torch.equal(found.images, START)
    assert not found.images.requires_grad
