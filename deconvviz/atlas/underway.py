"""The folder of a scan that is under way: who writes in it, and what a later call finds there.

Every process keeps what it has found in a file of its own, ``scan-GENERATION-RANK.npz``. A call that goes on
with a scan joins the files of the newest generation and opens the next one with the result, so that it does
not matter how many processes there were, nor at which moment they were killed: files of an older generation
never count again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..runs import remove
from .atlas import IMAGES_FILE, MANIFEST_FILE, STATISTICS_FILE, UNITS_FILE
from .checkpoint import read_facts
from .page import PAGE, PARTS
from .shares import newest, partial_path, partials
from .writing import SCAN_FILE

_FILES = (MANIFEST_FILE, UNITS_FILE, STATISTICS_FILE, IMAGES_FILE, SCAN_FILE)
_HALF_WRITTEN = re.compile(
    r"\.(scan(-\d+-\d+)?\.[a-z0-9_]{8}\.npz|manifest\.[a-z0-9_]{8}\.json"
    r"|(units|statistics|images)\.[a-z0-9_]{8}\.parquet)"
)
"""How `deconvviz.runs.replacing` names what is to become one of these."""
_OURS = "route.js"  # a script of the page
_OPTIONS = {
    "model": "--model",
    "layers": "--layer",
    "topk": "--topk",
    "per_image": "--per-image",
    "batch_size": "--batch-size",
    "precision": "--precision",
    "input_size": "--input-size",
    "preprocessing": "preprocessing",
    "parameters_sha256": "--weights",
    "list_key": "images",
}
"""What must be the same for a scan to go on, and how the command line calls it."""


def earlier_facts(folder: Path) -> dict[str, Any] | None:
    """With what an unfinished scan in a folder was begun; None where there is none.

    Raises:
        DataError: it is damaged.
    """
    generation = newest(folder)
    return read_facts(partial_path(folder, generation, 0)) if generation else None


def finished_facts(folder: Path) -> dict[str, Any] | None:
    """The manifest of a whole atlas in a folder; None where there is none.

    Raises:
        DataError: it is damaged.
    """
    path = folder / MANIFEST_FILE
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        missing = {*_OPTIONS, "weights", "images", "working_folder"} - {*facts}
        if missing:
            raise ValueError(f"it does not say {min(missing)}")
        return {**facts, "listed": facts["scanned"] + facts["skipped"]}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); scan anew with --overwrite") from None


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """``"--topk 9, not 12"``: in what two scans differ that must agree; empty where they go together.

    Args:
        before: the facts of the one.
        now: of the other.
    """
    found = []
    for name, option in _OPTIONS.items():
        was, is_ = (list(f[name]) if name == "layers" else f[name] for f in (before, now))
        if was == is_ or (name == "parameters_sha256" and list(before["layers"]) != list(now["layers"])):
            continue  # the digest is of the weights up to the last layer
        if name == "preprocessing" and before["input_size"] != now["input_size"]:
            continue  # which says it already
        if name == "list_key":
            found.append(f"another list of images ({before['listed']}, not {now['listed']})")
        elif name == "parameters_sha256":
            found.append(
                f"--weights with other values ({before['weights']['label']}, not {now['weights']['label']})"
            )
        elif name == "preprocessing":
            found.append(f"images prepared otherwise ({_plainly(before[name])}, not {_plainly(now[name])})")
        else:
            words = [", ".join(map(str, v)) if isinstance(v, list) else v for v in (was, is_)]
            found.append(f"{option} {words[0]}, not {words[1]}")
    return "; ".join(found)


def _plainly(preprocessing: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {' '.join(f'{v:g}' for v in value) if isinstance(value, list) else value}"
        for name, value in preprocessing.items()
    )


def sweep(folder: Path, before: int | None = None) -> None:
    """Removes the files of processes, and what a killed one left half written.

    Args:
        folder: of the atlas.
        before: only the files of generations before this one.

    Raises:
        OutputError: they cannot be removed.
    """
    for generation, paths in partials(folder).items():
        if before is None or generation < before:
            remove(*paths)
    remove(*(path for path in folder.glob(".*") if _HALF_WRITTEN.fullmatch(path.name)))


def clear(folder: Path) -> None:
    """Removes an atlas, the manifest first: what lies there afterwards is no whole one.

    Pictures of units stay, since a render knows which scan they are of; the page that shows them goes.

    Raises:
        DataError: the folder has files that are called like those of an atlas, and are of something else.
        OutputError: it cannot be removed.
    """
    refuse_foreign(folder)
    remove(*(folder / name for name in _FILES))
    if (folder / PARTS / _OURS).is_file():
        remove(folder / PAGE)
    sweep(folder)


def refuse_foreign(folder: Path) -> None:
    """Keeps files of something else from being taken for those of an atlas.

    The state of the scan lies beside all tables of an atlas, finished or not; its manifest names the list of
    images, or is damaged.

    Raises:
        DataError: there is such a file.
    """
    there = [folder / name for name in _FILES if (folder / name).exists()]
    state = (folder / SCAN_FILE).exists() or bool(newest(folder))
    if there and there[0].name == MANIFEST_FILE:
        try:
            facts = json.loads(there[0].read_text(encoding="utf-8"))
            state = isinstance(facts, dict) and "list_key" in facts
        except (OSError, ValueError, RecursionError):
            pass
    if there and not state:
        raise DataError(f"{there[0]} is no part of an atlas: move it away, or name another --out")
