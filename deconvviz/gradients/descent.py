"""A forward pass that is kept so that signals can be taken down from its layers, in any network.

    descent = descend(network, images, ["layer3"], rules)
    pixels = descent.pixels("layer3", signal)      # (N, 1024, 14, 14) -> (N, 3, 224, 224)

It does what `deconvviz.deconvnet.mirror` does for chains, for networks with branches as well: the signal goes
down by automatic differentiation, with the rectifiers' backward rule replaced.

Source: see `rectifying`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..deconvnet import Rules
from ..errors import ModelError
from ..models import Network
from ..models.features import features_of, frozen
from ..models.network import layer_path, leaves, split
from ..models.numbers import blamed
from .rectifying import ruled


class Descent:
    """A pass that is ready to be gone down.

    Attributes:
        features: by layer: (N, C, H, W) maps or (N, C) vectors, without gradients.
    """

    def __init__(self, images: Tensor, attached: dict[str, Tensor]) -> None:
        self._images, self._attached = images, attached
        self.features = {layer: values.detach() for layer, values in attached.items()}

    def pixels(self, layer: str, signal: Tensor) -> Tensor:
        """Signal on whole maps of a layer, taken to pixels: (N, 3, H, W), zero where nothing arrives.

        Args:
            layer: one of the pass's.
            signal: like the layer's features.

        Raises:
            ModelError: the network overwrites what its derivative needs.
        """
        with torch.inference_mode(False):
            attached = self._attached[layer]
            if not attached.requires_grad:
                return torch.zeros_like(self._images)
            try:
                (pixels,) = torch.autograd.grad(
                    attached, self._images, signal.to(attached), retain_graph=True, allow_unused=True
                )
            except RuntimeError as error:
                why = str(error).partition(":")[0].splitlines()[0]
                raise ModelError(f"the network cannot be differentiated: {why}") from error
        return torch.zeros_like(self._images) if pixels is None else pixels


def descend(model: nn.Module | Network, images: Tensor, layers: Sequence[str], rules: Rules) -> Descent:
    """Runs the images through a network up to its last wanted layer, ready to go down by the rules.

    Args:
        model: a `Network`, or any module; it is run in evaluation mode and left as it was.
        images: (N, 3, H, W) float32 or float64, normalised as the network expects.
        layers: names or dotted paths, at least one; the empty name is the network's own output.
        rules: rectification, unpooling and treatment of contrast normalisation.

    Raises:
        LayerError: a layer does not exist, or the pass did not reach it.
        WeightsError: a layer's weights are missing, or hold values that are not numbers.
        ModelError: the images do not fit the network.
        ChainError: a rule is not defined for a call of the pass; see `rectifying`.

    Example:
        >>> from deconvviz.deconvnet import Rules
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        >>> descent = descend(net, torch.ones(1, 3, 8, 8), ["1"], Rules())
        >>> descent.pixels("1", torch.ones(1, 4, 6, 6)).shape
        torch.Size([1, 3, 8, 8])
    """
    module, names = split(model)
    at = model.path_of if isinstance(model, Network) else lambda name: layer_path(module, name, names)
    paths = {name: f"0.{at(name)}" if name else "" for name in layers}
    if images.dtype not in (torch.float32, torch.float64):
        raise ModelError(f"images are {images.dtype}; a pass is recorded in float32 or float64")
    if any(p.is_inference() for p in module.parameters()):
        raise ModelError("the network was built under torch.inference_mode, where nothing has gradients")
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(images.device.type, enabled=False),
        frozen(module),
        ruled(module, rules),
    ):
        images = images.detach().clone().requires_grad_()
        try:
            # In a Sequential, for a compiled network does not name its parts; of a clone, for a network may
            # write on what it is given.
            attached = features_of(nn.Sequential(module), images.clone(), paths)
        except RuntimeError as error:
            raise ModelError(
                f"images of {tuple(images.shape)} do not pass the network: {str(error).splitlines()[0]}"
            ) from error
    descent = Descent(images, attached)
    if not all(torch.isfinite(values).all() for values in descent.features.values()):
        raise blamed(images, leaves(module))
    return descent
