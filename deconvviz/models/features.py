"""The features of some layers in one forward pass, with gradients towards the images.

    with frozen(network.module):
        features = features_of(network.module, images, {"conv5": "features.11"})

The pass ends after the last wanted layer. The deconvnet's `record` keeps much more of a pass, and no
gradients; this keeps the features alone, for everything that differentiates them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, TypeVar

from torch import Tensor, nn

from ..errors import LayerError

_Taken = TypeVar("_Taken")


class SeenEnough(BaseException):
    """Ends a forward pass; not an Exception, so that no forward method catches it."""


def features_of(
    module: nn.Module,
    images: Tensor,
    paths: Mapping[str, str],
    reached: Callable[[str], None] = lambda layer: None,
) -> dict[str, Tensor]:
    """The output of each wanted module, in one pass that ends after the last of them.

    Args:
        module: the network, as it is: see `frozen`.
        images: (N, 3, H, W), normalised as the network expects.
        paths: layer names and the dotted module path of each; at least one.
        reached: told each layer's name as soon as its features are there.

    Returns:
        (N, C, H, W) maps or (N, C) vectors by layer, in the order of `paths`; connected to the images where
        those want gradients.

    Raises:
        LayerError: the pass does not reach a layer, or it gives something else.
    """

    def kept(layer: str, features: Tensor) -> Tensor:
        copy = features.clone()  # a rectifier that follows may work in place
        reached(layer)
        return copy

    return taken_from(module, images, paths, kept)


def taken_from(
    module: nn.Module, images: Tensor, paths: Mapping[str, str], take: Callable[[str, Tensor], _Taken]
) -> dict[str, _Taken]:
    """What is made of the output of each wanted module, in one pass that ends after the last of them.

    Args:
        module: the network, as it is: see `frozen`.
        images: (N, 3, H, W), normalised as the network expects.
        paths: layer names and the dotted module path of each; at least one.
        take: called with each layer's name and output, (N, C, H, W) or (N, C), as soon as that is there;
            what follows in the pass may overwrite it.

    Returns:
        what `take` returned by layer, in the order of `paths`.

    Raises:
        LayerError: the pass does not reach a layer, or it gives something else.
    """
    found: dict[str, _Taken] = {}

    def keep(layer: str) -> Any:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            if layer in found:
                return  # the name means the module's first call
            if not isinstance(output, Tensor) or output.ndim not in (2, 4):
                what = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
                raise LayerError(
                    f"'{layer}' gives {what}; a layer's units are (N, C, H, W) maps or (N, C) vectors"
                )
            found[layer] = take(layer, output)
            if len(found) == len(paths):
                raise SeenEnough

        return hook

    with ExitStack() as undo:
        for layer, path in paths.items():
            undo.callback(module.get_submodule(path).register_forward_hook(keep(layer)).remove)
        with suppress(SeenEnough):
            module(images)
    missing = [layer for layer in paths if layer not in found]
    if missing:
        raise LayerError(f"the forward pass never reaches '{missing[0]}'")
    return {layer: found[layer] for layer in paths}


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Evaluation mode, and parameters that gather no gradients; all as it was afterwards."""
    free = [p for p in module.parameters() if p.requires_grad]
    training = [m for m in module.modules() if m.training]
    try:
        for p in free:
            p.requires_grad_(False)
        for m in training:
            m.training = False
        yield
    finally:
        for p in free:
            p.requires_grad_(True)
        for m in training:
            m.training = True
