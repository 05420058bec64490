"""Filters of a layer that are copies of one another, but for their length.

    twins(weight)  # pairs of filters whose cosine is above 0.95

The cosine of two filters is that of all their weights, nothing subtracted. Where it is near 1 the second
filter tells nothing that the first does not, up to a factor and a bias. Where it is near -1 both are wanted:
rectified, each keeps the half that the other loses (Shang et al. 2016, "Understanding and Improving
Convolutional Neural Networks via Concatenated Rectified Linear Units"). Filters of different groups of a
convolution see different maps and are never compared, nor are those of fewer than four weights, of which
many point the same way by chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

ALIKE = 0.95
"""From this cosine on two filters count as copies of one another."""
_FEWEST_WEIGHTS = 4
_ROWS = 512  # whose products are held at a time: memory stays bounded by (512, C), whatever the layer


@dataclass(frozen=True)
class Twins:
    """Pairs of filters that are alike or opposite.

    Attributes:
        pairs: (P, 2) int64, the lower number first; the most alike pairs first.
        cosines: (P,) of each pair, beyond `ALIKE` or below minus that.
    """

    pairs: Tensor
    cosines: Tensor

    @property
    def alike(self) -> Tensor:
        """(A, 2): the pairs that say the same."""
        return self.pairs[self.cosines > 0]

    @property
    def opposite(self) -> Tensor:
        """(O, 2): the pairs that say the opposite."""
        return self.pairs[self.cosines < 0]

    @property
    def spare(self) -> tuple[int, ...]:
        """The filters that a filter of lower number makes superfluous, in order."""
        return tuple(sorted(set(self.alike[:, 1].tolist())))


def twins(weight: Tensor, groups: int = 1, least: float = ALIKE) -> Twins:
    """The pairs of filters that are alike or opposite, by the cosine between them.

    Args:
        weight: (C, ...): kernels of a convolution, or rows of a matrix; filters that are zero are like none.
        groups: of the convolution; pairs are sought within each.
        least: the magnitude of the cosine from which on a pair counts.

    Example:
        >>> found = twins(torch.tensor([[1.0, 2, 3, 4], [4.0, -3, 2, -1], [2.0, 4, 6, 8]]))
        >>> found.pairs.tolist(), found.spare
        ([[0, 2]], (2,))
    """
    rows = weight.detach().flatten(1)
    if rows.dtype not in (torch.float32, torch.float64):
        rows = rows.float()
    pairs, cosines = [torch.empty(0, 2, dtype=torch.int64)], [torch.empty(0, dtype=torch.float64)]
    each = len(rows) // groups
    if rows.shape[1] >= _FEWEST_WEIGHTS and each > 1:
        lengths = torch.linalg.vector_norm(rows, dim=1)
        scale = torch.where(lengths > 0, 1 / lengths, 0)
        for first in range(0, len(rows), each):
            for at in range(first, first + each, _ROWS):
                block, rest = slice(at, min(at + _ROWS, first + each)), slice(at, first + each)
                found = (rows[block] @ rows[rest].T) * scale[block, None] * scale[None, rest]
                near = (found.abs() > least).triu_(1).nonzero()
                pairs.append(near.cpu() + at)
                cosines.append(found[near[:, 0], near[:, 1]].double().cpu())
    together = torch.cat(cosines)
    order = together.argsort(descending=True, stable=True)
    return Twins(torch.cat(pairs)[order], together[order])
