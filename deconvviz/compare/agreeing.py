"""All processes of a survey see the same folder, network and images, and share what is left to do.

They agree through the files in the folder; what they send each other are a few numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import DataError
from ..runs import remove
from ..training.processes import Processes
from .chunks import Chunk, differences
from .folder import STARTED, SURVEY, earlier
from .parts import load_part, part_path
from .tables import Cell

_SETTLES_S = 60.0
"""How long a folder that machines share may take to show one what another has written."""


@dataclass(frozen=True)
class Begun:
    """What the first process has written down at the beginning.

    Attributes:
        token: tells this run from an earlier one in the same folder.
        pair_distance: mean distance of two images.
    """

    token: int
    pair_distance: float


def agreed(processes: Processes, folder: Path, left: bool, known: Mapping[str, Any]) -> Begun | None:
    """What the run was begun with, the same in all processes.

    Args:
        processes: this one among the others.
        folder: that they share.
        left: in the first process, whether there is anything to do.
        known: what this process knows of settings, network, decoders and images.

    Returns:
        None where all is done.

    Raises:
        DataError: a process does not see the folder, or sees other images or weights.
    """
    token = 0
    if left:
        content = earlier(folder, STARTED)
        token = content["token"] if content else 0
    token = int(processes.summed(torch.tensor([token])))
    if not token:
        return None
    problem, begun = _looked(folder, token, known)
    failed = int(processes.summed(torch.tensor([int(begun is None)])))
    if begun is None:
        raise DataError(problem)
    if failed:
        raise DataError(
            f"{failed} of the {processes.count} processes cannot take part: they do not see {folder}, or not "
            "the same images and weights; all machines need the same folders"
        )
    return begun


def _looked(folder: Path, token: int, known: Mapping[str, Any]) -> tuple[str, Begun | None]:
    """What is written in the folder, or why a process cannot take part."""
    deadline = time.monotonic() + _SETTLES_S
    while True:
        content = earlier(folder, STARTED)
        if content is not None and content.get("token") == token:
            break
        if time.monotonic() > deadline:
            return f"{folder} is not the folder that the first process writes into; it must be shared", None
        time.sleep(0.2)
    differs = differences(content[SURVEY], known)
    if differs:
        return f"this process differs from the first: {differs}", None
    return "", Begun(token, content["pair_distance"])


def shares(
    processes: Processes,
    folder: Path,
    chunks: Sequence[Chunk],
    token: int,
    note: Callable[[str], object],
) -> list[tuple[int, list[Chunk]]]:
    """What this process is to do: first of the quick pieces, then of those that optimise.

    Args:
        processes: this one among the others.
        folder: that they share.
        chunks: all pieces.
        token: of the run.
        note: told in the first process of pieces that are damaged, which are done again.

    Returns:
        of either kind how many cells are filled already, and this process' share of the rest.
    """
    there = torch.zeros(len(chunks), dtype=torch.int64)
    if processes.first:
        there = torch.tensor([int(_is_there(folder, chunk, token, note)) for chunk in chunks])
    there = processes.summed(there)
    found = []
    for optimises in (False, True):
        kind = [chunk for chunk in chunks if chunk.optimises == optimises]
        rest = [chunk for chunk in kind if not there[chunk.number]]
        done = sum(chunk.cells for chunk in kind) - sum(chunk.cells for chunk in rest)
        found.append((done, rest[processes.rank :: processes.count]))
    return found


def _is_there(folder: Path, chunk: Chunk, token: int, note: Callable[[str], object]) -> bool:
    try:
        return load_part(folder, chunk, token) is not None
    except DataError as error:
        remove(part_path(folder, chunk))
        note(f"{error}: it is done again")
        return False


def all_parts(folder: Path, chunks: Sequence[Chunk], token: int) -> list[Cell]:
    """The numbers of all pieces, once all processes are through.

    Args:
        folder: that they share.
        chunks: all pieces.
        token: of the run.

    Raises:
        DataError: a piece is damaged, or has not come there.
    """
    deadline = time.monotonic() + _SETTLES_S
    cells: list[Cell] = []
    for chunk in chunks:
        while (part := load_part(folder, chunk, token)) is None:
            if time.monotonic() > deadline:
                raise DataError(f"a part of the run has not come to {folder}; go on with --resume")
            time.sleep(0.2)
        cells += part
    return cells
