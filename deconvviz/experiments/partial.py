"""Partial passes: of each layer, only what a covered square can change.

A square of 50 pixels touches a fourteenth of AlexNet's conv1, a fifth of conv2, two fifths of conv3. The
uncovered image runs once, and what each layer gave for it is kept. Then the squares go through the layers as
patches, until a layer comes that needs whole maps, or for which these are no dearer: the patches are set into
the uncovered image's maps, and those go on. Of every layer the cheapest way is taken, by counting
multiplications.

Only for chains of layers, and on a CPU; other networks are run whole. The results are those of whole passes
but for the order of the sums: equal to some 1e-15 of the largest value in double precision, and to some 1e-7
in single precision, as close as two kernels of one convolution are.

Source: the idea is that of incremental inference: Nakandala et al. 2019, "Incremental and Approximate
Inference for Faster Occlusion-based Deep CNN Explanations", SIGMOD.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..deconvnet import record
from ..models import Network
from ..models.features import frozen
from .patch_layers import Step
from .patch_offers import flattened, offers, whole_price
from .patches import Patches

_WORTH = 0.85  # of the price of whole passes, at most
_ROWS = 512  # vectors for the fully connected layers at once: their weights are read for each batch


@dataclass(frozen=True)
class Partial:
    """A chain of layers, the first of them applied to patches.

    Attributes:
        module: the network.
        steps: the layers on patches.
        on_maps: those after them that give whole maps, and the flattening.
        on_vectors: those after it.
        base: (1, C, H, W) what the last of the steps gave for the uncovered image.
        looked_at: how many layers there are up to the one whose map is looked at, itself included.
        base_map: (1, C, H, W) that layer's output for the uncovered image.
    """

    module: nn.Module
    steps: Sequence[Step]
    on_maps: Sequence[nn.Module]
    on_vectors: Sequence[nn.Module]
    base: Tensor
    looked_at: int
    base_map: Tensor

    def slide(
        self,
        cover: Tensor,
        boxes: Tensor,
        channel: int,
        batch_size: int,
        advance: Callable[[int], object],
    ) -> tuple[Tensor, Tensor]:
        """Covers each of K boxes in turn; as `Passes.slide`."""
        seen: list[Tensor] = []  # activity
        waiting: list[Tensor] = []  # vectors
        scores: list[Tensor] = []
        rows = len(boxes) / max(-(-len(boxes) // _ROWS), 1)  # even pieces

        def look(number: int, output: Tensor) -> None:
            if number == self.looked_at:
                seen.append(output[:, channel].flatten(1).sum(1) if output.ndim == 4 else output[:, channel])

        with frozen(self.module), torch.inference_mode(), torch.autocast(cover.device.type, enabled=False):
            for start in range(0, len(boxes), batch_size):
                part = boxes[start : start + batch_size]
                maps = self._on_patches(flattened(cover), Patches.of(part, _size(cover)), channel, seen)
                number = len(self.steps)
                for layer in self.on_maps:
                    maps, number = layer(maps), number + 1
                    look(number, maps)
                waiting.append(maps)
                if start + batch_size >= len(boxes) or sum(map(len, waiting)) >= rows:
                    vectors = torch.cat(waiting)
                    waiting.clear()
                    for layer in self.on_vectors:
                        vectors, number = layer(vectors), number + 1
                        look(number, vectors)
                    scores.append(vectors)
                advance(len(part))
        return torch.cat(seen), torch.cat(scores)

    def _on_patches(self, cover: Tensor, patches: Patches, channel: int, seen: list[Tensor]) -> Tensor:
        """Patches of the image, through the steps, set into whole maps: (K, C, H, W)."""
        cells = cover.index_select(0, patches.flat())
        for number, step in enumerate(self.steps, 1):
            cells, patches = step(cells, patches)
            if number == self.looked_at:
                base = self.base_map[0, channel].flatten()
                seen.append(patches.fill(cells[:, channel], base).sum(1))
        maps = patches.fill(cells, flattened(self.base))
        return maps.view(len(maps), *patches.map_size, -1).permute(0, 3, 1, 2)


def plan(
    network: Network, layer: str, images: Tensor, scores: Tensor, boxes: Tensor, batch_size: int
) -> Partial | None:
    """The cheapest way through a network; None where that is whole passes.

    Args:
        network: a classifier.
        layer: whose map will be looked at.
        images: (1, 3, H, W) the uncovered one.
        scores: (1, classes) that the network gave for it.
        boxes: (K, 4) inside the image: top, left, height, width of each square.
        batch_size: how many squares will be in work at once.
    """
    if images.dtype not in (torch.float32, torch.float64) or images.device.type != "cpu":
        return None  # prices are those of a CPU: a GPU would wait for hundreds of small copies
    module = network.module
    if any(m._forward_hooks or m._forward_pre_hooks for m in module.modules()):
        return None  # whatever they do, they expect whole maps
    trace = record(network, images.clone(), masks=False, inputs=False)  # a first layer may work in place
    reshaped = any(isinstance(step.module, nn.Flatten) and len(step.output_shape) != 2 for step in trace)
    if reshaped or any(step.broken for step in trace):
        return None  # a reshape to maps is recorded as a flattening, and could not be repeated
    looked_at = record(network, images.clone(), [layer], masks=False, inputs=False).ends[layer]
    chain = [step.module for step in trace]
    with frozen(module), torch.inference_mode(), torch.autocast(images.device.type, enabled=False):
        outputs = [images]
        for link in chain:
            given = outputs[-1]
            outputs.append(link(given.clone() if getattr(link, "inplace", False) else given))
        if not torch.allclose(outputs[-1], scores, rtol=1e-3, atol=1e-3 * float(scores.abs().max())):
            return None  # something follows the last layer
        steps = _cheapest(chain, outputs, Patches.of(boxes, _size(images)), batch_size)
    if not steps:
        return None
    flat = next((i for i, output in enumerate(outputs) if output.ndim == 2), len(chain))
    first = len(steps)
    return Partial(
        module,
        steps,
        chain[first:flat],
        chain[flat:],
        outputs[first],
        looked_at,
        outputs[looked_at],
    )


def _cheapest(
    chain: Sequence[nn.Module], outputs: Sequence[Tensor], patches: Patches, batch_size: int
) -> list[Step]:
    """The steps on patches before the layers go on with whole maps; none where these are as cheap."""
    whole = [
        whole_price(link, given, gave) for link, given, gave in zip(chain, outputs, outputs[1:], strict=False)
    ]
    price, prices, builds = 0.0, [sum(whole)], []
    for i, link in enumerate(chain):
        if outputs[i + 1].ndim != 4:
            break
        best = min(
            offers(link, outputs[i], outputs[i + 1], patches, batch_size),
            key=lambda offer: offer.price,
            default=None,
        )
        if best is None:
            break
        price, patches = price + best.price, best.patches
        builds.append(best.build)
        prices.append(price + sum(whole[i + 1 :]))
    first = min(range(len(prices)), key=prices.__getitem__)
    return [build() for build in builds[:first]] if prices[first] < _WORTH * prices[0] else []


def _size(images: Tensor) -> tuple[int, int]:
    return images.shape[2], images.shape[3]
