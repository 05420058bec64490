"""What each process of a scan that is under way has found, in a file of its own.

The files ``scan-GENERATION-RANK.npz`` of a generation hold the token that its first process drew. A file with
another one is of a process that outlived an earlier scan in the same folder, and never counts.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import reduce
from pathlib import Path

from .checkpoint import load_scan, read_facts
from .state import Scan
from .statistics import Statistics
from .strongest import Strongest

_PARTIAL = re.compile(r"scan-(\d+)-(\d+)\.npz")


def partial_path(folder: Path, generation: int, rank: int) -> Path:
    """The file of one process."""
    return folder / f"scan-{generation:03d}-{rank:03d}.npz"


def partials(folder: Path) -> dict[int, list[Path]]:
    """The files of processes by generation, by rank."""
    found: dict[int, list[Path]] = {}
    for path in sorted(folder.glob("scan-*-*.npz")):
        match = _PARTIAL.fullmatch(path.name)
        if match:
            found.setdefault(int(match[1]), []).append(path)
    return found


def newest(folder: Path) -> int:
    """The newest generation that a first process has opened; 0 where there is none."""
    return max((g for g, paths in partials(folder).items() if partial_path(folder, g, 0) in paths), default=0)


def joined_partials(folder: Path, generation: int) -> Scan:
    """What the processes of one generation have found together.

    Args:
        folder: that they share.
        generation: one that a first process has opened.

    Raises:
        DataError: a file is missing or damaged.
    """
    first = partial_path(folder, generation, 0)
    token = read_facts(first).get("token")
    others = [path for path in partials(folder).get(generation, []) if path != first]
    return reduce(
        Scan.joined, (load_scan(p) for p in (first, *others) if read_facts(p).get("token") == token)
    )


def without(scan: Scan) -> Scan:
    """The same batches done, with nothing found in them: for a process that leaves that to another."""
    return replace(
        scan,
        strongest={layer: Strongest.none(*kept.values.shape) for layer, kept in scan.strongest.items()},
        statistics={layer: Statistics.none(len(s.fired)) for layer, s in scan.statistics.items()},
        problems={},
        uncertain={},
    )
