"""The options with which a comparison over a data set was begun; ``--resume`` takes them up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_GIVEN = "given"
_FILES = ("data", "data_root", "weights")
"""Options that name a file or a folder, or something else."""


def kept(options: Mapping[str, Any], given: set[str]) -> dict[str, Any]:
    """The options as plain data, from which a later call can go on in any folder.

    Args:
        options: of this call.
        given: those that stand on the command line.
    """
    found = {name: _plain(name, value) for name, value in options.items()}
    return {**found, _GIVEN: sorted(given & {*options})}


def as_begun(folder: Path, options: Mapping[str, Any], given: set[str]) -> tuple[dict[str, Any], set[str]]:
    """The options with which a run was begun, and those given now in place of them.

    Args:
        folder: of the run.
        options: of this call.
        given: those that stand on the command line.

    Returns:
        the options, and those that stood on either command line.

    Raises:
        DataError: there is no run to go on with.
    """
    from deconvviz.compare.folder import RESULTS, STARTED, SURVEY, earlier
    from deconvviz.errors import DataError

    before = earlier(folder, STARTED) or earlier(folder, RESULTS)
    if before is None:
        raise DataError(f"{folder} holds no comparison to go on with; leave --resume away")
    then = before[SURVEY].get("options", {})
    again = {name: _restored(name, then[name]) for name in options if name in then and name not in given}
    return {**options, **again}, given | {*then.get(_GIVEN, ())}


def _plain(name: str, value: Any) -> Any:
    if name == "runs":
        return [str(run.resolve()) for run in value]
    if name in _FILES and value is not None and Path(value).exists():
        return str(Path(value).resolve())
    return list(value) if isinstance(value, tuple) else value


def _restored(name: str, value: Any) -> Any:
    if name == "runs":
        return tuple(Path(run) for run in value)
    if name == "data_root" and value is not None:
        return Path(value)
    return tuple(value) if isinstance(value, list) else value
