"""How a scan begins: in an empty folder, in place of an earlier atlas, or where an earlier call has ended."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError
from .checkpoint import save_scan
from .shares import joined_partials, newest, partial_path
from .state import Scan
from .underway import clear, differences, earlier_facts, finished_facts, refuse_foreign, sweep


def opened(folder: Path, known: Mapping[str, Any], nothing: Scan, resume: bool, overwrite: bool) -> int:
    """Looks at what the folder holds and opens a generation in it.

    Args:
        folder: of the atlas; it is there.
        known: network, images and settings of this call.
        nothing: the state before any image.
        resume: go on with an unfinished scan.
        overwrite: throw an earlier atlas away.

    Returns:
        the generation's number; 0 where the atlas is whole.

    Raises:
        DataError: the folder holds an atlas already, none to go on with, one of other settings, or files of
            something else that are called like those of an atlas.
        OutputError: it cannot be written.
    """
    whole = None if overwrite else finished_facts(folder)
    before = None if overwrite else whole or earlier_facts(folder)
    if before is None and resume:
        raise DataError(f"{folder} holds no scan to go on with; leave --resume away")
    if before is not None and not resume:
        what, ways = ("an atlas", "") if whole else ("an unfinished scan", "go on with --resume, ")
        raise DataError(
            f"{folder} holds {what} already: {ways}throw it away with --overwrite, or name another --out"
        )
    if overwrite:
        clear(folder)
    elif before is None:
        refuse_foreign(folder)
    state, generation = nothing, 1
    if before is not None:
        differs = differences(before, known)
        if differs:
            raise DataError(
                f"{folder} was scanned with other settings: {differs}; resume with the same, or name "
                "another --out"
            )
        if whole:
            sweep(folder)
            return 0
        last = newest(folder)
        state, generation = joined_partials(folder, last), last + 1
    token = secrets.randbits(60)
    save_scan(partial_path(folder, generation, 0), state, {**known, "token": token})
    sweep(folder, before=generation)
    return generation
