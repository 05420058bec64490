"""Pictures made from features that need not be an image's own, and how far each is from what is known.

    pictures = decoded(encoder, decoder, changed)               # (N, 3, S, S) in [0, 1]
    judged(encoder, "fc8", pictures, changed, original=image)   # psnr, ssim, feature_error

Pictures may also come from elsewhere, such as an optimiser: they are judged alike.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..metrics import feature_error_mv16, psnr, ssim
from .decoder import Decoder
from .encoding import Encoder
from .showing import at_input_size


def decoded(encoder: Encoder, decoder: Decoder, features: Tensor) -> Tensor:
    """Reconstructions at the size of the network's input, one by one.

    One by one, because a batch may be added up in another order: the same features give the same bits here
    whatever stands beside them.

    Args:
        encoder: of the decoder.
        decoder: of one of its layers.
        features: (N, *shape).

    Returns:
        (N, 3, S, S) in [0, 1].
    """
    return torch.cat([at_input_size(encoder, decoder, features[i : i + 1]) for i in range(len(features))])


def judged(
    encoder: Encoder,
    layer: str,
    pictures: Tensor,
    features: Tensor,
    *,
    original: Tensor | None = None,
    reference: Tensor | None = None,
) -> dict[str, list[float]]:
    """Errors of pictures that were made from features.

    Args:
        encoder: of the layer.
        layer: whose features they are.
        pictures: (N, 3, S, S) in [0, 1].
        features: (N, ...), what each was made from.
        original: (3, S, S) in [0, 1], the image behind them.
        reference: (3, S, S) in [0, 1], what was made from the image's own features.

    Returns:
        N values by name: ``feature_error``, the distance between what the layer sees in the picture and what
        the picture was made from, over the latter's length (NaN or infinite where that is zero); with an
        original ``psnr`` and ``ssim`` to it; with a reference ``psnr_unchanged`` and ``ssim_unchanged``.
    """
    network = encoder.network
    mean, std = (
        torch.tensor(v, dtype=pictures.dtype, device=pictures.device)[:, None, None]
        for v in (network.mean, network.std)
    )
    again = torch.cat(
        [encoder((pictures[i : i + 1] - mean) / std, [layer])[layer] for i in range(len(pictures))]
    )
    found = {"feature_error": feature_error_mv16(features, again).tolist()}
    for name, other in (("", original), ("_unchanged", reference)):
        if other is not None:
            against = other.expand_as(pictures)
            found[f"psnr{name}"] = psnr(against, pictures).tolist()
            found[f"ssim{name}"] = ssim(against, pictures).tolist()
    return found
