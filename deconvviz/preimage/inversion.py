"""Pre-images: what an image must look like for a layer to see in it what it saw in another.

    found = invert(network, images, ["conv3", "conv5"])
    found.images          # (N, 2, 1, 3, 224, 224): by image, layer and restart, as the network sees them

An image is sought whose features are those of the original; what is sharp in it the layer has kept, what is
wrong in it the layer does not tell apart from what is right. Unlike a learned decoder's, it is no average
of all that is possible but one possibility, and another restart finds another one.

| method | regulariser | optimiser | source |
|---|---|---|---|
| `mahendran2015` | alpha-norm, total variation | gradient descent, momentum | Mahendran & Vedaldi 2015 |
| `mahendran2016` | colour norm, total variation, jitter | leaky AdaGrad | Mahendran & Vedaldi 2016 |
| `best` | total variation | Adam on Fourier coefficients | our own |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import LayerError, ModelError
from ..models import Network
from . import best, mahendran2015, mahendran2016
from .batch import Batch
from .methods import Draws, Setting
from .optimising import optimise
from .passes import layered
from .targets import Targets, targets_of

METHODS = {"best": best, "mahendran2015": mahendran2015, "mahendran2016": mahendran2016}
AT_ONCE = 16
"""Images that are differentiated together: more take more memory, and on a CPU are no faster."""


@dataclass(frozen=True)
class Inversion:
    """Pre-images of N images from L layers, R restarts of each.

    Attributes:
        layers: their names, in the order asked for.
        images: (N, L, R, 3, H, W), normalised as the network sees them.
        curve: (T, N, L, R), the error ‖Φ - Φ0‖ / ‖Φ0‖ at each step made, of what the network was shown at it.
        errors: by name, (N, L, R) each: ``feature_error_mv16``, ``feature_error_mv15`` (of these N images;
            NaN for a single one, which has no other to be compared with), ``psnr`` and ``ssim`` against
            what the network saw, where it is known.
        stopped: ``interrupted`` or ``diverged`` where it ended early; else empty.
        slower: what the rates were multiplied with at the end; below 1 where steps had to be taken back.
    """

    layers: tuple[str, ...]
    images: Tensor
    curve: Tensor
    errors: dict[str, Tensor]
    stopped: str
    slower: float

    @property
    def chosen(self) -> Tensor:
        """(N, L): the restart with the lowest feature error."""
        return self.errors["feature_error_mv16"].nan_to_num(torch.inf).argmin(2)


def invert(
    network: Network,
    images: Tensor,
    layers: Sequence[str],
    method: str = "best",
    *,
    restarts: int = 1,
    iterations: int | None = None,
    seed: int = 0,
    at_once: int = AT_ONCE,
    watch: Callable[[int, int, Tensor], None] = lambda step, steps, errors: None,
) -> Inversion:
    """Pre-images by optimisation, all layers, images and restarts in one batch.

    Args:
        network: whose features are inverted; left as it was.
        images: (N, 3, H, W), square, normalised as the network expects, on its device.
        layers: names or paths.
        method: ``best``, ``mahendran2015`` or ``mahendran2016``.
        restarts: how often each is started, from other noise.
        iterations: how many steps; None for the method's own. Its schedule is stretched to them.
        seed: draws the noise; the same on the CPU gives the same bits.
        at_once: images that are differentiated together.
        watch: told the step, how many there will be, and the errors at it, (N, L, R).

    Raises:
        LayerError: no layers, one that does not exist, or one that is zero all over for an image.
        WeightsError: a layer's weights are missing.
        ModelError: no such method, or the images do not fit.

    Example:
        >>> import torch
        >>> from deconvviz import load_model
        >>> found = invert(load_model("mini"), torch.rand(1, 3, 64, 64), ["conv1"], iterations=2)
        >>> found.images.shape
        torch.Size([1, 1, 1, 3, 64, 64])
    """
    known_method(method)
    if not layers:
        raise LayerError("no layers to invert")
    if images.ndim != 4 or images.shape[-1] != images.shape[-2]:
        raise ModelError(f"images of {tuple(images.shape)}; pre-images want square ones, (N, 3, side, side)")
    asked = tuple(dict.fromkeys(layers))
    with torch.inference_mode(False), torch.no_grad():
        targets = targets_of(network, images, asked)
    return search(
        network,
        targets,
        asked,
        images.shape[-1],
        method,
        originals=images,
        restarts=restarts,
        iterations=iterations,
        seed=seed,
        at_once=at_once,
        watch=watch,
    )


def known_method(name: str) -> None:
    """Whether there is such a method.

    Raises:
        ModelError: there is not.
    """
    if name not in METHODS:
        raise ModelError(f"no method '{name}' of inversion; there are: {', '.join(METHODS)}")


def search(
    network: Network,
    targets: Targets,
    layers: Sequence[str],
    side: int,
    method: str,
    *,
    originals: Tensor | None,
    restarts: int,
    iterations: int | None,
    seed: int,
    at_once: int,
    watch: Callable[[int, int, Tensor], None],
) -> Inversion:
    """The search itself, once it is known which features are wanted.

    Args:
        network: as in `invert`.
        targets: the features that the images shall have.
        layers: the same layers in the order of the answer.
        side: of the images, in pixels.
        method: as in `invert`, likewise the rest.
        originals: (N, 3, side, side), what the pre-images are compared with; None where there is nothing.
        restarts: likewise.
        iterations: likewise.
        seed: likewise.
        at_once: likewise.
        watch: likewise.
    """
    wanted = targets.features[targets.layers[0]]
    with torch.inference_mode(False), torch.no_grad():
        batch = Batch(targets, len(wanted), restarts)
        steps = iterations or METHODS[method].ITERATIONS
        setting = Setting(side, network.mean, network.std, batch.places, wanted.device, steps)
        paths = {layer: network.path_of(layer) for layer in targets.layers}
        with layered(network.module, paths, targets.chain) as run:
            found = optimise(
                METHODS[method].started(setting, Draws(seed, restarts)),
                lambda shown, rows: batch.errors(run, shown, rows),
                steps,
                at_once,
                lambda step, errors: watch(step, steps, batch.arranged(errors.sqrt(), layers)),
            )
            seen = batch.seen(run, found.images, at_once)
        judged = batch.judged(network, originals, found.images, seen)
    return Inversion(
        layers=tuple(layers),
        images=batch.arranged(found.images, layers),
        curve=batch.arranged(found.curve.sqrt().T, layers).movedim(-1, 0),
        errors={name: batch.arranged(values, layers) for name, values in judged.items()},
        stopped=found.stopped,
        slower=found.slower,
    )
