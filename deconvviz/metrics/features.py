"""Errors in feature space: does the encoder see in the reconstruction what it saw in the original?

The features of the original are compared with those of the reconstruction, encoded again. Three definitions
go by the same name in the literature; here each has its own. All give (N,) float64 on the CPU.
"""

from __future__ import annotations

from torch import Tensor


def feature_error_db(features: Tensor, reencoded: Tensor, pair_distance: float) -> Tensor:
    """The Euclidean distance between the features, over the mean distance between those of two images.

    Args:
        features: (N, ...) of the originals.
        reencoded: of their reconstructions, the same shape.
        pair_distance: `mean_pair_distance` of the originals' features.

    Returns:
        (N,): 0 is perfect, 1 as far off as another test image.

    Source:
        Dosovitskiy & Brox, arXiv 1506.02753, as re-told; could not be checked against the paper.
    """
    return _flat(features - reencoded).square().sum(1).sqrt() / pair_distance


def feature_error_mv15(features: Tensor, reencoded: Tensor, squared_pair_distance: float) -> Tensor:
    """The squared distance between the features, over the mean squared distance of all pairs.

    Args:
        features: (N, ...) of the originals.
        reencoded: of their reconstructions, the same shape.
        squared_pair_distance: `mean_squared_pair_distance` of the originals' features.

    Returns:
        (N,): 0 is perfect; the square of a distance, so small errors look smaller than in the other two.

    Source:
        Mahendran & Vedaldi, arXiv 1412.0035, as their published code evaluates it.
    """
    return _flat(features - reencoded).square().sum(1) / squared_pair_distance


def feature_error_mv16(features: Tensor, reencoded: Tensor) -> Tensor:
    """The distance between the features relative to the length of the original's: sqrt(‖Φ − Φ0‖² / ‖Φ0‖²).

    Args:
        features: (N, ...) of the originals.
        reencoded: of their reconstructions, the same shape.

    Returns:
        (N,): 0 is perfect, 1 what features of zero would get; infinite or NaN where the original's are zero.

    Source:
        Mahendran & Vedaldi, arXiv 1512.02017, as their published code plots it.
    """
    return _flat(features - reencoded).square().sum(1).sqrt() / _flat(features).square().sum(1).sqrt()


def _flat(vectors: Tensor) -> Tensor:
    """(N, ...) as (N, D) float64 on the CPU."""
    return vectors.flatten(1).double().cpu()
