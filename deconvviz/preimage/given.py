"""Pre-images of features that no image need have: perturbed, mixed or drawn at random.

    found = invert_features(network, {"fc8": scores})       # (N, 1000)
    found.images                                            # (N, 1, 1, 3, 224, 224)

The same search as `inversion.invert`, and for an image's own features the same pre-image, bit for bit. There
is no original to be compared with, only features that the layer shall have. Where no image has them, the
search ends at one that comes close; how close, the feature error says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ..errors import LayerError
from ..models import Network
from .inversion import AT_ONCE, Inversion, known_method, search
from .targets import targets_given


def invert_features(
    network: Network,
    features: Mapping[str, Tensor],
    method: str = "best",
    *,
    restarts: int = 1,
    iterations: int | None = None,
    seed: int = 0,
    at_once: int = AT_ONCE,
    watch: Callable[[int, int, Tensor], None] = lambda step, steps, errors: None,
) -> Inversion:
    """Images by optimisation, of the network's input size, in which layers see the features given.

    Args:
        network: whose features they are; left as it was.
        features: by layer's name or path, (N, C, H, W) or (N, C), on the network's device; as many of every
            layer. Each is inverted by itself, those of two layers are not sought in one image.
        method: ``best``, ``mahendran2015`` or ``mahendran2016``.
        restarts: how often each is started, from other noise.
        iterations: how many steps; None for the method's own.
        seed: draws the noise.
        at_once: images that are differentiated together.
        watch: told the step, how many there will be, and the errors at it, (N, L, R).

    Returns:
        the images, normalised, with the two feature errors alone.

    Raises:
        LayerError: no features, those of a layer that does not exist, of another shape or number, or ones
            that are zero all over.
        WeightsError: a layer's weights are missing.
        ModelError: no such method.

    Example:
        >>> import torch
        >>> from deconvviz import load_model
        >>> found = invert_features(load_model("mini"), {"fc8": torch.rand(2, 100)}, iterations=2)
        >>> found.images.shape, sorted(found.errors)
        (torch.Size([2, 1, 1, 3, 64, 64]), ['feature_error_mv15', 'feature_error_mv16'])
    """
    known_method(method)
    if not features:
        raise LayerError("no features to invert")
    with torch.inference_mode(False), torch.no_grad():
        plain = {layer: given.detach().clone() for layer, given in features.items()}
        targets = targets_given(network, plain, network.input_size)
    return search(
        network,
        targets,
        list(features),
        network.input_size,
        method,
        originals=None,
        restarts=restarts,
        iterations=iterations,
        seed=seed,
        at_once=at_once,
        watch=watch,
    )
