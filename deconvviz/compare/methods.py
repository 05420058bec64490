"""The methods that are compared: what each is given of the image, and what its picture claims to be.

| method | what it shows |
|---|---|
| `strongest` | the deconvnet's projection of the layer's strongest activation |
| `map` | the deconvnet's projection of the feature map that holds it |
| `layer` | the deconvnet's projection of all the layer's activations together |
| `guided` | guided backpropagation from the strongest activation |
| `gradient` | the gradient of the strongest activation |
| `decoder` | a learned decoder's reconstruction from all activations |
| `optimised` | a pre-image found by optimisation, from all activations |

Source: Zeiler & Fergus 2013, sec. 2.1; Springenberg et al. 2014, sec. 3.4; Simonyan et al. 2013, sec. 3;
Dosovitskiy & Brox 2015; Mahendran & Vedaldi 2015.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import ModelError, nearest


@dataclass(frozen=True)
class Method:
    """One way of making a picture of what a layer saw.

    Attributes:
        name: as the command line says it.
        title: as a figure says it.
        given: what it is given, beside the network.
        claims: what its picture claims to be.
        projects: whether the picture is a projection, signed and without absolute colour or scale, and
            not a reconstruction.
    """

    name: str
    title: str
    given: str
    claims: str
    projects: bool


_SWITCHES = "the switches of every pool"
_ALL = [
    Method(
        "strongest",
        "strongest activation",
        f"one activation, and {_SWITCHES}",
        "the structure in the image that made one unit fire",
        True,
    ),
    Method(
        "map",
        "strongest map",
        f"one feature map, and {_SWITCHES}",
        "the structures in the image that one feature fires on",
        True,
    ),
    Method(
        "layer",
        "whole layer",
        f"all activations, and {_SWITCHES}",
        "the structures in the image that the layer fires on",
        True,
    ),
    Method(
        "guided",
        "guided",
        f"one activation, {_SWITCHES} and the mask of every rectifier",
        "the structure in the image that raises one activation, and nothing that lowers it",
        True,
    ),
    Method(
        "gradient",
        "gradient",
        f"one activation, {_SWITCHES} and the mask of every rectifier",
        "how each pixel would change one activation",
        True,
    ),
    Method(
        "decoder",
        "learned decoder",
        "all activations, and what it learned of many images",
        "the average of all images that the layer cannot tell from this one",
        False,
    ),
    Method(
        "optimised",
        "optimised pre-image",
        "all activations, and that images are smooth",
        "one image in which the layer sees the same",
        False,
    ),
]

METHODS: Mapping[str, Method] = {method.name: method for method in _ALL}
"""By name, in the order of the columns."""


def chosen_methods(names: Sequence[str]) -> tuple[Method, ...]:
    """The methods of these names, in the table's order and each once; all where none are named.

    Raises:
        ModelError: there is no such method.

    Example:
        >>> [method.name for method in chosen_methods(["decoder", "map"])]
        ['map', 'decoder']
    """
    for name in names:
        if name not in METHODS:
            raise ModelError(f"no method '{name}' to compare; {nearest(name, METHODS)}")
    return tuple(method for name, method in METHODS.items() if not names or name in names)
