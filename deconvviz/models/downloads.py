"""Published weights, downloaded once by torchvision itself: its progress bar, its checksum, its cache."""

from __future__ import annotations

import contextlib
import io
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import WeightsError
from .catalogue import Entry

_PATIENCE_S = 20  # a server that says nothing for so long counts as none
_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
"""The names of DenseNet's published files, from when a module's name could have a dot in it."""


def cached_file(weights: Any) -> Path:
    """Where torch's cache has, or would have, the file of torchvision's weights."""
    return Path(torch.hub.get_dir()) / "checkpoints" / str(weights.url).rpartition("/")[2]


def published_as(weights: Any, file: Path) -> Any:
    """Which of a network's published weights a file is, by its name.

    Args:
        weights: one member of torchvision's weights enum for the network, or None where nothing is published.
        file: in torch's cache or anywhere else.

    Returns:
        the member; None for a file of another name.
    """
    members: list[Any] = [] if weights is None else [*type(weights).__members__.values()]
    return next((one for one in members if cached_file(one).name == file.name), None)


def as_built(entry: Entry, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A weights file's tensors under the network's own names; those for training only are left out."""
    kept = {
        _DENSENET.sub(r"\1\2", name): tensor
        for name, tensor in state.items()
        if not name.startswith(entry.training_only)
    }
    return kept or dict(state)


def downloaded(model: str, weights: Any, progress: bool = True) -> Path:
    """The file of a network's published weights in torch's cache, downloaded there where it is missing.

    Args:
        model: the network's name, for messages.
        weights: torchvision's weights enum member, or None where nothing is published.
        progress: show torchvision's progress bar on stderr.

    Raises:
        WeightsError: nothing is published, there is no network, or the download is damaged.
    """
    if weights is None:
        raise WeightsError(
            f"no trained weights are published for {model}; use --weights random, or --weights FILE"
        )
    path = cached_file(weights)
    if path.is_file():
        return path
    try:
        with downloading(progress):
            weights.get_state_dict(progress=progress, check_hash=True)
    except (OSError, HTTPException) as error:  # no network, one that breaks off, or no room for the file
        reason = getattr(error, "reason", None) or error
        raise WeightsError(
            f"cannot download the weights of {model} ({reason}); fetch {weights.url} elsewhere and give it "
            f"as --weights FILE or put it into {path.parent}, or use --model mini or --weights random"
        ) from None
    except RuntimeError as error:  # torch.hub's word for a wrong checksum
        raise WeightsError(f"the download of {weights.url} is damaged ({error}); try again") from None
    return path


@contextlib.contextmanager
def downloading(progress: bool) -> Iterator[None]:
    """A place for the downloads of torch and torchvision: none hangs, and none speaks on stdout.

    Args:
        progress: let their progress bars show on stderr; else they are silent.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE_S)
    spoken = sys.stderr if progress else io.StringIO()
    try:
        with contextlib.redirect_stdout(spoken), contextlib.redirect_stderr(spoken):
            yield
    finally:
        socket.setdefaulttimeout(before)
