"""What an earlier run says of itself: to go on with it, or to see its validation images again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from deconvviz.errors import TrainingError

from .data_options import DATA_OPTIONS


@dataclass(frozen=True)
class Earlier:
    """A run that a folder holds.

    Attributes:
        folder: where it lies.
        options: what it was started with, by option.
    """

    folder: Path
    options: dict[str, Any]

    def merged(self, options: Mapping[str, Any], given: set[str]) -> dict[str, Any]:
        """The run's own options; those given anew must not differ from them.

        Raises:
            TrainingError: they do; the message says which.
        """
        from deconvviz.training.settings import differences

        now = {k: _plain(options[k]) for k in self.options if k in given}
        differs = differences(self.options, now)
        if differs:
            raise TrainingError(
                f"{self.folder} was started with other settings: {differs}; resume without them, or "
                "start another run"
            )
        return {**options, **{k: _restored(k, v) for k, v in self.options.items()}}


def earlier(folder: Path) -> Earlier | None:
    """The run that a folder holds, if any.

    Raises:
        TrainingError: its record is damaged.
    """
    from deconvviz.models.trained import RUN_FILE

    try:
        content = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        if "task" not in content:
            raise TrainingError(
                f"{folder} was started from Python: resume it there, or start anew with --overwrite"
            )
        return Earlier(folder, {**content["settings"], **content["task"]})
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise TrainingError(f"{folder} is a file; --out takes the run's folder") from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise TrainingError(
            f"{folder / RUN_FILE} is damaged ({error}); start anew with --overwrite"
        ) from None


def _same(one: str, two: str) -> bool:
    """Whether two spellings of --data mean the same."""
    return one == two or (Path(two).exists() and Path(one).resolve() == Path(two).resolve())


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value


def _restored(name: str, value: Any) -> Any:
    if name == "data_root" and value is not None:
        return Path(value)
    return tuple(value) if isinstance(value, list) else value


def as_trained(weights: str, chosen: Mapping[str, Any], seed: int, given: set[str]) -> dict[str, Any]:
    """The options of a data set as a run had them, where its own data is to be opened again.

    Otherwise a seeded split would be drawn anew, and a network be tested on what it was trained on.

    Args:
        weights: of ``--weights``: perhaps a run's folder.
        chosen: the data options of this call.
        seed: of this call.
        given: the options that stand on the command line, which stay.

    Returns:
        `chosen` and the seed, as `opened_data` takes them.
    """
    from deconvviz.models.trained import RUN_FILE

    options = {**chosen, "seed": seed}
    if not (Path(weights) / RUN_FILE).is_file():
        return options
    before = earlier(Path(weights))
    if before is None or not _same(before.options["data"], chosen["data"]):
        return options
    if {"classes", "only"} & given:
        given |= {"classes", "only"}
    known = {name: before.options[name] for name in (*DATA_OPTIONS, "seed") if name in before.options}
    return {**options, **{name: _restored(name, v) for name, v in known.items() if name not in given}}


def given_options(context: click.Context) -> set[str]:
    """The options that stand on the command line."""
    return {
        name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
