"""Which network ``--model auto`` means: the one the weights fit; without weights the best that can be had.

That is AlexNet with its ImageNet weights where they are in torch's cache or can be downloaded, and otherwise
`mini`, which ships with the package. Whether they can be downloaded is decided within seconds: a server that
does not answer counts as none.
"""

from __future__ import annotations

import contextlib
import re
import threading
import urllib.request
from http.client import HTTPException
from pathlib import Path

import torch

from ..errors import ModelError, WeightsError
from .building import build, builder
from .catalogue import CATALOGUE
from .downloads import as_built, cached_file, downloaded
from .weights import read_state

_PATIENCE_S = 3.0
FIRST_CHOICE, FALLBACK = "alexnet", "mini"


def chosen(weights: str, *, progress: bool, lean: bool, download: bool = True) -> str:
    """The model's name.

    Args:
        weights: ``default``, ``random``, or a file that is no run and no exported one.
        progress: show the progress bar of a download.
        lean: see `torchvision_files`.
        download: False only asks whether AlexNet's weights could be had.

    Raises:
        ModelError: the file fits none of the networks, or several.
        WeightsError: it cannot be read.
    """
    if weights == "random":
        return FIRST_CHOICE
    if weights != "default":
        return _fitting(Path(weights), lean)
    enum = builder(FIRST_CHOICE, lean)[1]
    if cached_file(enum).is_file():
        return FIRST_CHOICE
    if not answers(str(enum.url)):
        return FALLBACK
    if not download:
        return FIRST_CHOICE
    with contextlib.suppress(WeightsError):  # it broke off: what ships will do
        downloaded(FIRST_CHOICE, enum, progress)
        return FIRST_CHOICE
    return FALLBACK


def answers(url: str, patience: float = _PATIENCE_S) -> bool:
    """Whether a server answers for this address within so many seconds, name lookup included."""
    result: list[bool] = []

    def ask() -> None:
        with contextlib.suppress(OSError, ValueError, HTTPException):
            request = urllib.request.Request(url, method="HEAD")  # noqa: S310  # torchvision's own https address
            with urllib.request.urlopen(request, timeout=patience) as reply:  # noqa: S310  # as above
                result.append(reply.status == 200)

    # a thread, since a name lookup that hangs has no timeout of its own
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(patience)
    return bool(result and result[0])


def _fitting(path: Path, lean: bool) -> str:
    """The network of the catalogue whose parameters a file's tensors are."""
    state = read_state(path)
    fits = []
    for name, entry in CATALOGUE.items():
        tensors = as_built(entry, state)
        if not all(_numberless(key).startswith(entry.parts) for key in tensors):
            continue  # to build it, even without values, takes a while
        with torch.device("meta"):
            wanted = build(name, lean=lean).module.state_dict()
        if all(key in wanted and wanted[key].shape == tensor.shape for key, tensor in tensors.items()):
            if len(tensors) == len(wanted):
                return name  # all of it, which no other network is
            fits.append(name)
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise ModelError(f"{path.name} fits {', '.join(fits)}: say which with --model")
    raise ModelError(
        f"{path.name} fits none of the networks that go by a name; say --model package.module:function"
    )


def _numberless(name: str) -> str:
    return re.sub(r"\d+", "#", name)
