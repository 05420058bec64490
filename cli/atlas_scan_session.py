"""What ``deconvviz atlas scan`` knows of an earlier call, and what it says while it works and afterwards."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from deconvviz.atlas.running import Outcome
    from deconvviz.training.processes import Processes

    from .session import Session

_PLAIN = ("model", "topk", "per_image", "batch_size", "precision", "seed", "input_size")
"""Options that stand in the manifest under their own names."""
_SHOWN = 5  # images that were left out
_AGAIN = "again in float32"


def begun_in(folder: Path) -> bool:
    """Whether there is an unfinished scan in a folder."""
    return any(folder.glob("scan-*-*.npz"))


def as_begun(folder: Path, options: Mapping[str, Any], given: set[str]) -> dict[str, Any]:
    """The options with which a scan was begun, and those given now in place of them.

    Args:
        folder: of the atlas.
        options: of this call.
        given: those that stand on the command line.

    Raises:
        DataError: there is no scan to go on with.
    """
    from deconvviz.atlas.underway import earlier_facts, finished_facts
    from deconvviz.errors import DataError

    before = finished_facts(folder) or earlier_facts(folder)
    if before is None:
        raise DataError(f"{folder} holds no scan to go on with; leave --resume away")
    weights = before["weights"]
    random = str(weights["label"]).startswith("random ")
    then = {
        **{name: before[name] for name in _PLAIN},
        "images": tuple(before["images"]),
        "layers": tuple(before["layers"]),
        "weights": weights.get("file", "random" if random else "default"),
    }
    if "images" not in given:
        then["root"] = Path(before["working_folder"])
    return {**options, **{name: value for name, value in then.items() if name not in given}}


def known(session: Session, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest says besides the settings: enough for a later call to go on from any folder.

    Args:
        session: of the network.
        options: as on the command line.
    """
    facts = {name: fact for name, fact in session.manifest().items() if name in session.facts}
    weights = Path(options["weights"])
    if weights.exists():
        facts["weights"] = {**facts["weights"], "file": str(weights.resolve())}
    return {
        **facts,
        "images": [Path(place).as_posix() for place in options["images"]],
        "working_folder": str(Path(options["root"] or "").resolve()),
    }


@contextmanager
def stoppable() -> Iterator[None]:
    """What asks a process to end, as torchrun does, is taken like Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Bar:
    """The progress of one process, on stderr."""

    def __init__(self, quiet: bool, processes: Processes) -> None:
        """Shows nothing before the scan begins.

        Args:
            quiet: show nothing at all.
            processes: this one among the others.
        """
        self._quiet, self._processes = quiet, processes
        self._bar: Any = None
        self._what = ""

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def begins(self, done: int, share: int) -> None:
        """Images that were done before, and those that this process will do."""
        count = self._processes.count
        if done and not self._quiet:
            click.echo(f"note: going on after {done} images", err=True)
        if share:
            self._open("scan" if count == 1 else f"scan (the first of {count} shares)", share)

    def progress(self, read: int, left_out: int) -> None:
        """How many images of this call were read, and how many left out, so far."""
        if left_out:
            self._bar.set_postfix_str(f"{left_out} left out", refresh=False)
        self._bar.update(read + left_out - self._bar.n)

    def rescoring(self, read: int, of: int) -> None:
        """How many images were read again, of how many."""
        if self._what != _AGAIN:
            self._open(_AGAIN, of)
        self._bar.update(read - self._bar.n)

    def _open(self, what: str, total: int) -> None:
        from tqdm import tqdm

        if self._bar is not None:
            self._bar.close()
        self._what = what
        self._bar = tqdm(total=total, desc=what, unit="img", disable=self._quiet)


def tell_what_came(outcome: Outcome, folder: Path, names: Sequence[str]) -> None:
    """Says on stderr which images were left out, or that there was nothing to do.

    Args:
        outcome: of the scan.
        folder: of the atlas.
        names: of all images.
    """
    if outcome.scan is None:
        click.echo(f"note: {folder} is finished: nothing to go on with", err=True)
        return
    problems = outcome.scan.problems
    if problems:
        click.echo(
            f"note: {len(problems)} of {len(names)} images could not be read and are left out:", err=True
        )
    for number in list(problems)[:_SHOWN]:
        click.echo(f"    {problems[number]}", err=True)
    if len(problems) > _SHOWN:
        click.echo(f"    and {len(problems) - _SHOWN} more: images.parquet, column 'problem'", err=True)
    uncertain = sum(outcome.scan.uncertain.values())
    if uncertain:
        click.echo(
            f"note: mixed precision could have missed an activation of {uncertain} units that is nearly as "
            "strong as the last that is kept",
            err=True,
        )
