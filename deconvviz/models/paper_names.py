"""The names the papers give to layers, read off a network's own structure.

``conv1`` ... ``conv5`` and ``fc6``, ``fc7`` name the *rectified* output, as the papers do, ``pool1`` the
pooled one, ``norm1`` the contrast-normalised one, and the last ``fc`` the class scores. Two styles exist:
Krizhevsky's (AlexNet, ZFNet) counts convolutions; Simonyan's (VGG) counts blocks between pools,
``conv3_2`` being the second convolution of the third block.

Source: Krizhevsky et al. 2012, sec. 3.5; Zeiler & Fergus 2013, fig. 3; Simonyan & Zisserman 2014, table 1.
"""

from __future__ import annotations

from torch import nn


def paper_names(module: nn.Module, blocks: bool) -> dict[str, str]:
    """Names a network whose modules are registered in the order in which they are called.

    Args:
        module: convolutions, rectifiers, pools, then linear layers.
        blocks: True for ``conv3_2`` (VGG), False for ``conv4`` (AlexNet, ZFNet).

    Returns:
        The dotted module path of each name, first layer first.
    """
    names: dict[str, str] = {}
    convs = pools = in_block = 0
    current = ""  # the layer whose rectified output is still to come
    for path, m in module.named_modules():
        if isinstance(m, nn.Conv2d):
            convs, in_block = convs + 1, in_block + 1
            current = f"conv{pools + 1}_{in_block}" if blocks else f"conv{convs}"
            names[current] = path
        elif isinstance(m, nn.Linear):
            layers_so_far = (pools if blocks else convs) + sum(n.startswith("fc") for n in names)
            current = f"fc{layers_so_far + 1}"
            names[current] = path
        elif isinstance(m, nn.ReLU):
            names[current] = path
        elif isinstance(m, nn.MaxPool2d):
            pools, in_block = pools + 1, 0
            names[f"pool{pools if blocks else convs}"] = path
        elif isinstance(m, nn.LocalResponseNorm):
            names[f"norm{convs}"] = path
    return names
