"""All methods on all layers of some images, with the errors and the time of each.

    decoders = [load_decoder("decoders/alexnet/conv5")]
    (one,) = compare(network, images, ["conv2", "conv5"], decoders=decoders)
    one.answers["conv5", "map"].picture         # (3, 224, 224)
    one.answers["conv2", "decoder"].missing     # "no decoder for conv2"

Of a single image every answer has the bits that `project_trace` (`project_by_autograd` where the network has
no mirror), `at_input_size` and `invert` give for it. Several images go through the network together, where
the sums of a convolution may come in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from ..decoders.decoder import Decoder
from ..errors import DeconvvizError, ModelError, nearest
from ..metrics import mean_pair_distance
from ..models import Network
from ..preimage.inversion import METHODS as PRESETS
from .answers import Answer, Comparison
from .made import Made, nothing
from .methods import Method
from .planning import Plan
from .projecting import Recorded, projected, recorded
from .reconstructing import Search, optimised, reconstructed

Watch = Callable[[str, str, int, int], object]


class Interrupted(KeyboardInterrupt):
    """The user ended a comparison; what it came to until then is not lost.

    Attributes:
        comparisons: of all images; the cells that were not reached say so.
    """

    def __init__(self, comparisons: list[Comparison]) -> None:
        super().__init__()
        self.comparisons = comparisons


def compare(
    network: Network,
    images: Tensor,
    layers: Sequence[str],
    methods: Sequence[str] = (),
    *,
    decoders: Sequence[Decoder] = (),
    names: Sequence[str] | None = None,
    preset: str = "best",
    iterations: int | None = None,
    seed: int = 0,
    batch_size: int = 16,
    pair_distance: float | None = None,
    pictures: bool = True,
    watch: Watch = lambda layer, method, done, total: None,
) -> list[Comparison]:
    """Compares methods on the same activations.

    A cell that cannot be filled says why, and how it could be. So does a layer whose weights are missing.

    Args:
        network: whose layers they are; left as it was.
        images: (N, 3, H, W), normalised as it expects, on its device.
        layers: names or paths: the rows.
        methods: names out of `methods.METHODS`; none means all.
        decoders: trained with this network, which `Decoder.check` says; at most one a layer. Those of other
            layers are left out.
        names: the images'; None numbers them.
        preset: of the optimised pre-images; see `deconvviz.invert`.
        iterations: its steps; None for its own.
        seed: of the noise that it starts from.
        batch_size: images that go through the network together.
        pair_distance: mean distance of two images, for `image_error`; None for that of these.
        pictures: keep signals and pictures; without them only numbers stay in memory.
        watch: told a layer, a method, and how much of how much is done: images, of the optimisation steps.

    Returns:
        one comparison an image, on the CPU.

    Raises:
        LayerError: no layers, or one that does not exist.
        ModelError: there is no such method or preset, or the images do not fit.
        WeightsError: a decoder belongs to another network, or the weights hold what is no number.
        Interrupted: the user pressed Ctrl-C; what is there goes with it.

    Example:
        >>> import torch
        >>> from deconvviz import load_model
        >>> images = torch.rand(2, 3, 64, 64)
        >>> first, second = compare(load_model("mini"), images, ["conv2"], ["map", "decoder"])
        >>> tuple(first.answers["conv2", "map"].picture.shape), first.answers["conv2", "decoder"].missing
        ((3, 64, 64), 'no decoder for conv2')
    """
    plan = Plan(network, images, layers, methods, decoders, names)
    if preset not in PRESETS:
        raise ModelError(f"no preset '{preset}' of inversion; {nearest(preset, PRESETS)}")
    search = Search(preset, iterations, seed, batch_size)
    if pair_distance is None:
        pair_distance = mean_pair_distance(plan.originals) if len(images) > 1 else float("nan")
    sheets: list[dict[tuple[str, str], Answer]] = [{} for _ in images]
    try:
        for first in range(0, len(images), batch_size):
            batch, part = images[first : first + batch_size], sheets[first : first + batch_size]
            for layer in plan.layers:
                tried = [method for method in plan.methods if plan.empty(layer, method) is None]
                if not tried:
                    continue
                keeping = [method.name for method in tried]
                if not first:
                    recorded(network, batch[:1], layer, keeping)  # the first pass of all takes longest
                passed = recorded(network, batch, layer, keeping)
                for method in tried:
                    bar = _Progress(watch, layer, method.name, first, len(batch), len(images))
                    made = _made(plan, passed, method, search, bar)
                    filled = plan.answers(passed, first, method, made, pair_distance, pictures)
                    for sheet, answer in zip(part, filled, strict=True):
                        sheet[layer, method.name] = answer
                    if made.interrupted:
                        raise KeyboardInterrupt
                    bar.end()
    except KeyboardInterrupt:
        raise Interrupted(plan.comparisons(sheets)) from None
    return plan.comparisons(sheets)


def _made(plan: Plan, passed: Recorded, method: Method, search: Search, bar: _Progress) -> Made:
    """What a method makes of a batch; nothing, and why, where the network does not allow it."""
    network, images, layer = passed.network, passed.images, passed.layer
    try:
        if method.name == "decoder":
            return reconstructed(network, images, plan.decoders[layer])
        if method.name == "optimised":
            return optimised(network, images, layer, passed.features, search, bar.step)
        return projected(passed, method.name)
    except DeconvvizError as error:
        return nothing(len(images), "not possible in this network", note=str(error))


class _Progress:
    """Tells how much of a layer and method is done, over all batches."""

    def __init__(self, watch: Watch, layer: str, method: str, first: int, count: int, total: int) -> None:
        self._watch, self._layer, self._method = watch, layer, method
        self._first, self._count, self._total = first, count, total
        self._steps = 1

    def step(self, step: int, steps: int) -> None:
        """So many steps of the batch are done."""
        self._steps = steps
        done = self._first * steps + self._count * step
        self._watch(self._layer, self._method, done, self._total * steps)

    def end(self) -> None:
        """The batch is done."""
        self.step(self._steps, self._steps)
