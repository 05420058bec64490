"""An ablation in numbers: means over draws of random weights, and over images.

    rows = means_over_images([ablate(network, image, units, draws=5) for image in images])
    rows[0].weights, rows[0].combination.code, rows[0].means["detail"], rows[0].deviations["detail"]

Each image counts once: its units and random networks are averaged first, and the standard deviation is that
between images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .ablation import Ablation
from .combinations import Combination
from .ways_down import MEASURES


@dataclass(frozen=True)
class MeanRow:
    """One combination's numbers over several images.

    Attributes:
        weights: ``given`` for the network as it is, ``random`` for those of random weights.
        combination: of mask, switches, backward ReLU and treatment of contrast normalisation.
        means: by measure; NaN where no image has a value.
        deviations: by measure: the standard deviation between images (n - 1); NaN for fewer than two.
        counts: by measure: how many images have a value.
    """

    weights: str
    combination: Combination
    means: dict[str, float]
    deviations: dict[str, float]
    counts: dict[str, int]


def over_draws(found: Ablation, code: str, measure: str) -> Tensor:
    """A measure in every network of random weights: (D, K), D networks and K units."""
    return torch.stack([getattr(one, measure)[code] for one in found.random])


def mean_and_deviation(values: Tensor) -> tuple[float, float]:
    """Of those that are numbers; the deviation (n - 1) of fewer than two is NaN, as is a mean of none.

    Args:
        values: (n,).

    Example:
        >>> mean_and_deviation(torch.tensor([1.0, 3.0, torch.nan], dtype=torch.float64))
        (2.0, 1.4142135623730951)
    """
    known = values[~values.isnan()].double()
    deviation = float(known.std()) if len(known) > 1 else float("nan")
    return (float(known.mean()) if len(known) else float("nan")), deviation


def means_over_images(found: Sequence[Ablation]) -> list[MeanRow]:
    """Every combination's measures over several images, the given network's first.

    Args:
        found: one an image, all of the same combinations.

    Raises:
        ValueError: there is none, or their combinations differ.
    """
    if len({one.combinations for one in found}) != 1:
        raise ValueError("ablations of the same combinations are averaged, at least one")
    rows = []
    for weights in ("given", "random") if all(one.random for one in found) else ("given",):
        for combination in found[0].combinations:
            values = {m: _an_image_each(found, weights, combination.code, m) for m in MEASURES}
            both = {measure: mean_and_deviation(each) for measure, each in values.items()}
            rows.append(
                MeanRow(
                    weights,
                    combination,
                    means={measure: mean for measure, (mean, _) in both.items()},
                    deviations={measure: deviation for measure, (_, deviation) in both.items()},
                    counts={measure: int((~each.isnan()).sum()) for measure, each in values.items()},
                )
            )
    return rows


def _an_image_each(found: Sequence[Ablation], weights: str, code: str, measure: str) -> Tensor:
    """(n,): each image's mean over its units, and over random networks."""
    return torch.stack(
        [
            (getattr(one.given, measure)[code] if weights == "given" else over_draws(one, code, measure))
            .double()
            .nanmean()
            for one in found
        ]
    )
