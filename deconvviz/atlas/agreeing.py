"""All processes of a scan see the same: the folder, the images, the weights, in the end each other's parts.

They agree through the files in the folder; what they send each other is two numbers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import DataError
from ..training.processes import Processes
from .checkpoint import load_scan, read_facts
from .shares import joined_partials, partial_path
from .state import Scan
from .underway import differences

_SETTLES_S = 60.0
"""How long a folder that machines share may take to show one what another has written."""


def agreed(
    processes: Processes, folder: Path, generation: int, known: Mapping[str, Any]
) -> tuple[int, int, Scan | None]:
    """The generation that the first process opened, its token, and what it begins with.

    Args:
        processes: this one among the others.
        folder: that they share.
        generation: of the first process; 0 in the others, and where all is done.
        known: what this process knows of network, images and settings.

    Returns:
        the same in all processes; 0, 0 and None where all is done.

    Raises:
        DataError: a process does not see the folder, or sees other images or weights.
    """
    token = read_facts(partial_path(folder, generation, 0))["token"] if generation else 0
    generation, token = processes.summed(torch.tensor([generation, token])).tolist()
    if not generation:
        return 0, 0, None
    path = partial_path(folder, generation, 0)
    problem = _problem(path, token, known)
    base = None if problem else load_scan(path)
    failed = int(processes.summed(torch.tensor([int(bool(problem))])))
    if problem or base is None:
        raise DataError(problem)
    if failed:
        raise DataError(
            f"{failed} of the {processes.count} processes cannot take part: they do not see {folder}, or not "
            "the same images and weights; all machines need the same folders"
        )
    return generation, token, base


def _problem(path: Path, token: int, known: Mapping[str, Any]) -> str:
    """Why a process cannot take part; empty where it can."""
    deadline = time.monotonic() + _SETTLES_S
    while not path.is_file() or read_facts(path).get("token") != token:
        if time.monotonic() > deadline:
            return f"{path.parent} is not the folder that the first process writes into; it must be shared"
        time.sleep(0.2)
    differs = differences(read_facts(path), known)
    return f"this process differs from the first: {differs}" if differs else ""


def whole_scan(folder: Path, generation: int) -> Scan:
    """What all processes have found together, once they all are done.

    Args:
        folder: that they share.
        generation: of their files.

    Raises:
        DataError: not all of it has come there.
    """
    deadline = time.monotonic() + _SETTLES_S
    while True:
        whole = joined_partials(folder, generation)
        if whole.complete:
            return whole
        if time.monotonic() > deadline:
            raise DataError(f"a part of the scan has not come to {folder}; go on with --resume")
        time.sleep(0.2)
