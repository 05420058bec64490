"""One pass for images wanted at different layers: each leaves the batch where its own layer is reached.

Images stand in the batch in the order of their layers, deepest first. In a chain, the hook at a layer takes
the last rows, whose features are complete, and hands only the others on: shallow pre-images cost what their
layer costs. Where a network branches all rows go on to the deepest layer, since a row that is gone could
not be added again; so they do where a pass fails without those that left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from torch import Tensor, nn

from ..models.features import SeenEnough, frozen

Pass = Callable[[Tensor, Mapping[str, int]], dict[str, Tensor]]


@contextmanager
def layered(module: nn.Module, paths: Mapping[str, str], chain: bool) -> Iterator[Pass]:
    """Hooks for the time of many passes.

    Args:
        module: the network.
        paths: layers and their module paths, shallowest first.
        chain: rows may leave on the way.

    Yields:
        a function of (N, 3, H, W) images, those of the deepest layer first, and of how many of them belong to
        each layer: the features of each layer's own images.
    """
    found: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def hook(layer: str) -> Any:
        def keep(_module: nn.Module, _args: Any, output: Tensor) -> Tensor | None:
            count = counts.get(layer, 0)
            if not count or layer in found:
                return None  # nobody wants it, or it is the module's second call
            first = sum(counts[other] for other in counts if names.index(other) > names.index(layer))
            if chain and len(output) != first + count:
                raise RuntimeError(f"{len(output)} rows reach '{layer}', not {first + count}")
            found[layer] = output[first : first + count].clone()
            if len(found) == len(counts):
                raise SeenEnough
            return output[:first] if chain else None

        return keep

    names = list(paths)

    def run(images: Tensor, of_each: Mapping[str, int]) -> dict[str, Tensor]:
        found.clear()
        counts.clear()
        counts.update({layer: count for layer, count in of_each.items() if count})
        try:
            with suppress(SeenEnough):
                module(images)
        except RuntimeError:
            nonlocal chain
            if not chain or len(counts) == 1:
                raise
            chain = False  # it counts its rows by itself, and misses those that left
            return run(images, of_each)
        return dict(found)

    with ExitStack() as undo:
        undo.enter_context(frozen(module))
        # a copy less a layer than working in place under automatic differentiation
        for m in module.modules():
            if getattr(m, "inplace", False) is True:
                undo.callback(setattr, m, "inplace", True)
                m.inplace = False  # type: ignore[assignment]  # torch's modules declare no such attribute
        for layer, path in paths.items():
            undo.callback(module.get_submodule(path).register_forward_hook(hook(layer)).remove)
        yield run
