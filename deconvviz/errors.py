"""What can go wrong, in the user's words.

Every error that deconvviz raises on purpose derives from `DeconvvizError`. Its message is one line that
says what was wanted, what came and what would work; the command line prints it and exits with 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class DeconvvizError(Exception):
    """Base class of all errors raised on purpose; the message is one line."""


class ChainError(DeconvvizError):
    """The network is not a chain of layers that have a mirror."""


class DataError(DeconvvizError):
    """A data set is missing, damaged, or has too little in it."""


class ImageError(DeconvvizError):
    """A file does not hold a picture that can be shown to a network."""


class LayerError(DeconvvizError):
    """No such layer, or the layer cannot do what was asked of it."""


class ModelError(DeconvvizError):
    """No such model, or the model cannot be built or run."""


class OutputError(DeconvvizError):
    """A result cannot be written where it was asked for."""


class TrainingError(DeconvvizError):
    """A training run cannot start, go on, or be resumed as asked."""


class UnitError(DeconvvizError):
    """No such unit, place or number of units in this layer."""


class WeightsError(DeconvvizError):
    """A weights file cannot be had, cannot be trusted or does not fit the network."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The clause that helps after a misspelt name: the nearest known ones, or all of them.

    Args:
        name: what the user typed.
        known: what exists, in the order to list it.

    Returns:
        ``"did you mean 'conv5'? there are: conv1, conv2, ..."``, at most twenty names long.
    """
    names = list(known)
    listed = ", ".join(names if len(names) <= 20 else [*names[:10], "...", *names[-9:]])
    close = get_close_matches(name, names, n=1)
    return f"did you mean '{close[0]}'? there are: {listed}" if close else f"there are: {listed}"
