"""How far a method's pictures are from their images: as they are, and in their best affine fit.

| error | of what | definition |
|---|---|---|
| `psnr`, `ssim` | the picture | `metrics.psnr`, `metrics.ssim` |
| `explained` | the picture | R²: the share of the image's variance; 0 is a flat picture of its mean colour |
| `image_error` | the picture | Dosovitskiy & Brox: distance over the mean distance of two images |
| `feature_error` | the picture, encoded again | Mahendran & Vedaldi 2016: ‖Φ - Φ0‖ / ‖Φ0‖ |

The same five with ``_fitted`` behind are those of the best affine fit to the image, one scale and one shift a
channel, cut to [0, 1]: of a projection's signal before it was cut and put on the mean colour, of a
reconstruction's picture. Only these put projections and reconstructions on one footing, and they flatter
both, since the fit is given the image.

A reconstruction is encoded as it came, which for pre-images may be a little outside [0, 1]; it is the error
that the search itself came to.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ..metrics import affine_fit, determination, feature_error_mv16, image_error_db, psnr, ssim
from ..models import Network
from .encoding import encoded, normalised

ERRORS = ("psnr", "ssim", "explained", "image_error", "feature_error")
"""In the order of the tables; each is there with ``_fitted`` behind as well."""


def judged(
    network: Network,
    layer: str,
    originals: Tensor,
    features: Tensor,
    signals: Tensor,
    pictures: Tensor,
    projects: bool,
    pair_distance: float,
) -> dict[str, Tensor]:
    """The errors of K pictures.

    Args:
        network: that encodes them again.
        layer: up to which.
        originals: (K, 3, H, W) in [0, 1], what the network saw.
        features: (K, ...) of the originals at the layer.
        signals: (K, 3, H, W) in the network's input space.
        pictures: (K, 3, H, W) in [0, 1].
        projects: whether the signals are projections, and no images.
        pair_distance: mean distance of two images, for `image_error`; NaN where it is not known.

    Returns:
        by name (K,) float64; NaN where one does not exist, as a feature error of features that are zero.
    """
    distance = partial(image_error_db, pair_distance=pair_distance or torch.nan)
    # image by image, which is twice as fast: what one takes stays in a processor's cache
    fitted = _one_by_one(affine_fit, originals, signals if projects else pictures).clamp(0, 1)
    shown = normalised(network, pictures) if projects else signals
    again = normalised(network, fitted.to(pictures.dtype))
    found: dict[str, Tensor] = {}
    for suffix, ours, encode in (("", pictures, shown), ("_fitted", fitted, again)):
        found["psnr" + suffix] = _one_by_one(psnr, originals, ours)
        found["ssim" + suffix] = _one_by_one(ssim, originals, ours)
        found["explained" + suffix] = _one_by_one(determination, originals, ours)
        found["image_error" + suffix] = _one_by_one(distance, originals, ours)
        in_features = feature_error_mv16(features, encoded(network, encode, layer))
        found["feature_error" + suffix] = in_features.where(in_features.isfinite(), torch.nan)
    return found


def _one_by_one(measure: Callable[[Tensor, Tensor], Tensor], originals: Tensor, ours: Tensor) -> Tensor:
    pairs = zip(torch.split(originals, 1), torch.split(ours, 1), strict=True)
    return torch.cat([measure(original, own) for original, own in pairs])
