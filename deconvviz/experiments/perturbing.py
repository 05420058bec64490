"""What of a layer's features a reconstruction hangs on: features changed in known ways, to be decoded.

    changed = perturbations(features, count=5, share=0.5)
    changed["binarised"]                        # the same shape as the features

| name | what is done to the features |
|---|---|
| `unchanged` | nothing |
| `largest` | all but the `count` largest are set to zero |
| `rest` | the `count` largest are set to zero |
| `binarised` | every value keeps its sign, all have one magnitude; the length of the vector stays |
| `dropout` | a random share of the entries is set to zero |

Vectors are counted by their entries. Of a stack of feature maps whole maps are kept or removed, ranked by
the strongest value of each; signs, lengths and dropout are those of all its entries, place by place.

What is largest is so by value: of class scores the most probable classes, since a strongly negative score
says much less than a high one. By magnitude it is the entries that the vector's length is made of. After a
rectifier the two are the same.

Zero means different things: after a rectifier, a unit that did not fire; of class scores, one that is
neither high nor low.

Source: the kinds of perturbation are those of Dosovitskiy & Brox, "Inverting Visual Representations with
Convolutional Networks", arXiv 1506.02753, as re-told; their settings could not be checked.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import UnitError

NAMES = ("unchanged", "largest", "rest", "binarised", "dropout")
"""The perturbations, in the order in which they are shown."""
RANKINGS = ("value", "magnitude")


def perturbations(
    features: Tensor,
    count: int = 5,
    share: float = 0.5,
    *,
    by: str = "value",
    seed: int = 0,
    rescale: bool = False,
) -> dict[str, Tensor]:
    """All perturbations of some features.

    Args:
        features: (N, D) or (N, C, H, W).
        count: how many entries, or maps, are kept or removed.
        share: of the entries that dropout sets to zero, from 0 to 1.
        by: what ranks them, ``value`` or ``magnitude``.
        seed: draws what is dropped; the same entries for all N.
        rescale: dropout multiplies what it leaves, see `dropped`.

    Returns:
        the features by name, in the order of `NAMES`, each of the same shape.

    Raises:
        UnitError: there are fewer entries or maps than `count`.

    Example:
        >>> changed = perturbations(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), count=1)
        >>> [changed[name].tolist() for name in ("largest", "rest")]
        [[[3.0, 0.0, 0.0, 0.0]], [[0.0, -4.0, 0.0, 1.0]]]
    """
    return {
        "unchanged": features,
        "largest": only_largest(features, count, by),
        "rest": without_largest(features, count, by),
        "binarised": binarised(features),
        "dropout": dropped(features, share, seed=seed, rescale=rescale),
    }


def only_largest(features: Tensor, count: int, by: str = "value") -> Tensor:
    """All but the `count` largest entries, or maps, set to zero.

    Args:
        features: (N, D) or (N, C, H, W).
        count: how many stay.
        by: ``value`` or ``magnitude``.

    Raises:
        UnitError: there are fewer.
    """
    return features.masked_fill(~_largest(features, count, by), 0)


def without_largest(features: Tensor, count: int, by: str = "value") -> Tensor:
    """The `count` largest entries, or maps, set to zero: what `only_largest` leaves out.

    Args:
        features: (N, D) or (N, C, H, W).
        count: how many go.
        by: ``value`` or ``magnitude``.

    Raises:
        UnitError: there are fewer.
    """
    return features.masked_fill(_largest(features, count, by), 0)


def _largest(features: Tensor, count: int, by: str) -> Tensor:
    """Which entries or maps are the largest, as bool that fits the features; of equal ones the first."""
    if by not in RANKINGS:
        raise UnitError(f"features are ranked by {' or by '.join(RANKINGS)}, not by '{by}'")
    values = features.abs() if by == "magnitude" else features
    ranked = values.flatten(2).amax(2) if values.ndim > 2 else values
    if not 0 <= count <= ranked.shape[1]:
        kind = "feature maps" if values.ndim > 2 else "entries"
        raise UnitError(f"the features have {ranked.shape[1]} {kind}, not {count}")
    order = ranked.argsort(dim=1, descending=True, stable=True)[:, :count]
    chosen = torch.zeros_like(ranked, dtype=torch.bool).scatter_(1, order, True)
    mask: Tensor = chosen.reshape(*ranked.shape, *(1 for _ in features.shape[2:]))
    return mask


def binarised(features: Tensor) -> Tensor:
    """Every value by its sign and one magnitude, so that the length of the whole vector or stack stays.

    What is zero stays so, and does not count: the magnitude is the root mean square of the others.

    Args:
        features: (N, ...).
    """
    signs = features.flatten(1).sign()
    length = torch.linalg.vector_norm(features.flatten(1), dim=1, keepdim=True)
    magnitude: Tensor = length / signs.abs().sum(1, keepdim=True).clamp_min(1).sqrt()
    return (signs * magnitude).reshape(features.shape)


def dropped(features: Tensor, share: float, *, seed: int = 0, rescale: bool = False) -> Tensor:
    """A random share of the entries set to zero.

    Exactly that share of all entries is drawn, zeros among them, for all N alike. What goes at a small share
    goes at every larger one too.

    Args:
        features: (N, ...).
        share: from 0 to 1.
        seed: of the draw, which is made on the CPU.
        rescale: multiply what is left with 1 / (1 - share), as dropout does in training, so that sums over
            many entries stay about the same; else it is left as it is.
    """
    count = features[0].numel()
    gone = round(share * count)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    stays = torch.ones(count, dtype=torch.bool)
    stays[order[:gone]] = False
    left: Tensor = features.masked_fill(~stays.reshape(features.shape[1:]).to(features.device), 0)
    return left * (count / (count - gone)) if rescale and gone < count else left


def redrawn(features: Tensor, others: Tensor, share: float, *, seed: int = 0) -> Tensor:
    """A random share of the entries replaced by those of other features.

    Args:
        features: (N, ...).
        others: the same shape, such as `FeatureStatistics.draw` gives.
        share: from 0 to 1; the entries are those that `dropped` would set to zero.
        seed: of the draw.
    """
    stays = dropped(torch.ones_like(features), share, seed=seed) > 0
    return torch.where(stays, features, others)


def interpolated(one: Tensor, other: Tensor, steps: int) -> Tensor:
    """Features on the straight line between two images', both ends among them.

    Args:
        one: features of one image, any shape.
        other: of another, the same shape.
        steps: at least 2.

    Returns:
        (steps, *shape): exactly `one` first and exactly `other` last.

    Raises:
        UnitError: there are fewer than two steps.

    Example:
        >>> interpolated(torch.tensor([0.0, 4.0]), torch.tensor([1.0, 0.0]), 3).tolist()
        [[0.0, 4.0], [0.5, 2.0], [1.0, 0.0]]
    """
    if steps < 2:
        raise UnitError(f"a line has two ends: {steps} steps are too few")
    places = torch.arange(steps, dtype=one.dtype, device=one.device) / (steps - 1)
    places = places.reshape(-1, *(1 for _ in one.shape))
    return (1 - places) * one + places * other


def counts_up_to(most: int) -> list[int]:
    """1, 2, 5, 10, 20, 50, ... and last the whole.

    Example:
        >>> counts_up_to(30)
        [1, 2, 5, 10, 20, 30]
    """
    found, power = [], 1
    while power < most:
        found += [n * power for n in (1, 2, 5) if n * power < most]
        power *= 10
    return [*found, most]


def relative_change(features: Tensor, changed: Tensor) -> Tensor:
    """‖Φ' − Φ‖ / ‖Φ‖ of each vector or stack: (N,) float64 on the CPU; NaN or infinite where Φ is zero.

    Args:
        features: (N, ...), or (1, ...) for all alike.
        changed: (N, ...).
    """
    before, after = features.flatten(1).double().cpu(), changed.flatten(1).double().cpu()
    share: Tensor = torch.linalg.vector_norm(after - before, dim=1) / torch.linalg.vector_norm(before, dim=1)
    return share
