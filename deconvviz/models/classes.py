"""A network's classes: how many there are, what each is called, and which one is meant.

class_number(network, "golden retriever")  # or "n02099601", or "207"
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from torch import nn

from ..errors import ModelError, nearest
from .network import Network, leaves

_IMAGENET_ENDS = ("tench", "toilet tissue")


def class_number(network: Network, text: str) -> int:
    """The class that a user means.

    Args:
        network: a classifier.
        text: its number; its WordNet id or folder name; or its name, in which capitals do not matter unless
            they alone tell classes apart, and ``_`` is a space. What is a number is always taken as one.

    Raises:
        ModelError: there is no such class, or several of that name.

    Example:
        >>> from deconvviz.models import load_model
        >>> class_number(load_model("mini"), "egyptian_cat")
        16
    """
    if text.removeprefix("-").isdecimal():
        number, count = int(text), class_count(network)
        if not 0 <= number < count:
            raise ModelError(f"{network.name} has {count} classes, 0 to {count - 1}; there is no {number}")
        return number
    known = (network.categories, class_ids(network))
    if not any(known):
        last = class_count(network) - 1
        raise ModelError(f"{network.name} has no class names; give a class by its number, 0 to {last}")
    exact = {i for names in known for i, name in enumerate(names) if name == text}
    alike = {i for names in known for i, name in enumerate(names) if _plain(name) == _plain(text)}
    found = sorted(exact or alike)
    if not found:
        names = network.categories or network.class_ids
        raise ModelError(f"{network.name} has no class '{text}'; {nearest(_plain(text), names)}")
    if len(found) > 1:
        numbers = ", ".join(map(str, found))
        raise ModelError(f"{network.name} has several classes '{text}'; give one by its number: {numbers}")
    return found[0]


def class_title(network: Network, number: int) -> str:
    """A class's name; ``class 207`` where the network has no names."""
    known = 0 <= number < len(network.categories)
    return network.categories[number] if known else f"class {number}"


def class_count(network: Network) -> int:
    """How many classes a network scores: the outputs of its last linear layer, or last convolution.

    Raises:
        ModelError: it ends in a layer of another kind.
    """
    kind = ""
    for _, leaf in reversed(leaves(network.module)):
        if isinstance(leaf, nn.Linear):
            return leaf.out_features
        if isinstance(leaf, nn.Conv2d):
            return leaf.out_channels
        kind = kind or type(leaf).__name__
        if leaf._parameters:
            break
    raise ModelError(
        f"cannot tell how many classes {network.name} has: it ends in a {kind}, not a Linear or Conv2d layer"
    )


def check_scores(network: Network) -> None:
    """Whether the weights for a network's class scores are there.

    Raises:
        ModelError: they are not; the message says what is.
    """
    if any(t.is_meta for t in (*network.module.parameters(), *network.module.buffers())):
        raise ModelError(
            f"the weights {network.origin.label} serve {network.served()}, not {network.name}'s class scores"
        )


def class_ids(network: Network) -> tuple[str, ...]:
    """The classes' WordNet ids or folder names by number; empty where none are known."""
    names = network.categories
    if network.class_ids or len(names) != 1000 or (names[0], names[-1]) != _IMAGENET_ENDS:
        return network.class_ids
    return _imagenet_ids()


@cache
def _imagenet_ids() -> tuple[str, ...]:
    """The WordNet ids of ImageNet's thousand classes."""
    return tuple((files("deconvviz_assets") / "imagenet_wnids.txt").read_text(encoding="ascii").split())


def _plain(name: str) -> str:
    return name.replace("_", " ").casefold()
