"""Batch normalisation folded into the layer before it.

In evaluation a batch norm multiplies each map by gamma / sqrt(var + eps) and adds a constant: both fit into
the weights and bias of the convolution or linear layer whose output it takes. The scores stay the same to
rounding; a projection then runs through the filters that really act.
"""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval


def fold_norms(module: nn.Module) -> None:
    """Folds every batch norm that follows a convolution or linear layer in a `Sequential`, in place.

    Args:
        module: in evaluation mode. The other modules keep their names; the batch norms are gone.
    """
    for parent in [m for m in module.modules() if isinstance(m, nn.Sequential)]:
        before = ""
        for name, child in list(parent.named_children()):
            layer = parent._modules.get(before)
            if isinstance(child, _BatchNorm) and isinstance(layer, nn.Conv2d):
                parent._modules[before] = fuse_conv_bn_eval(layer, child)
                del parent._modules[name]
            elif isinstance(child, _BatchNorm) and isinstance(layer, nn.Linear):
                parent._modules[before] = fuse_linear_bn_eval(layer, child)
                del parent._modules[name]
            else:
                before = name
