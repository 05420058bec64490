"""What each finished piece of a run gave, in a file of its own.

A file is either there and whole or not there: it is written under another name first. It knows which run it
belongs to, by the token that this was begun with, and its own digest, so that a damaged one is found out and
the piece is done again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..runs import replacing
from .chunks import Chunk
from .tables import Cell

PART = re.compile(r"part-(\d{5,})\.json")


def part_path(folder: Path, chunk: Chunk) -> Path:
    """Where a piece's numbers lie."""
    return folder / f"part-{chunk.number:05d}.json"


def save_part(folder: Path, chunk: Chunk, token: int, cells: Sequence[Cell]) -> Path:
    """Writes what a piece gave.

    Args:
        folder: of the run.
        chunk: the piece.
        token: of the run.
        cells: its answers, in numbers.

    Raises:
        OutputError: the disk is full or the place cannot be written.
    """
    path = part_path(folder, chunk)
    rows = [asdict(cell) for cell in cells]
    content = {"token": token, "sha256": _digest(rows), "cells": rows}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def load_part(folder: Path, chunk: Chunk, token: int) -> list[Cell] | None:
    """Reads what a piece gave; None where it is not there, or of another run.

    Raises:
        DataError: the file is damaged.
    """
    path = part_path(folder, chunk)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["token"] != token:
            return None
        rows = content["cells"]
        if content["sha256"] != _digest(rows) or len(rows) != chunk.cells:
            raise ValueError("its digest is another")
        return [Cell(**{**row, "unit": tuple(row["unit"])}) for row in rows]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} is damaged ({why})") from None


def _digest(rows: Sequence[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
