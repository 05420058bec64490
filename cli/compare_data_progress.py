"""How a comparison over a data set goes, on stderr: one bar for what is quick, one for the optimisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from deconvviz.compare.survey import Watch

if TYPE_CHECKING:
    from deconvviz.training.processes import Processes


class Progress:
    """The progress of one process."""

    def __init__(self, quiet: bool, processes: Processes) -> None:
        """Shows nothing before the work begins.

        Args:
            quiet: show nothing at all.
            processes: this one among the others.
        """
        self._quiet, self._processes = quiet, processes
        self._bar: Any = None
        self.watch = Watch(self._begins, self._at, self._note)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def _begins(self, optimises: bool, done: int, share: int) -> None:
        from tqdm import tqdm

        if self._bar is not None:
            self._bar.close()
        what = "optimising" if optimises else "comparing"
        if done:
            self._note(f"{what}: going on after {done} pictures")
        if self._processes.count > 1:
            what += f" (the first of {self._processes.count} shares)"
        # the average speed, since methods differ in theirs
        self._bar = tqdm(total=share, desc=what, unit="picture", smoothing=0, disable=self._quiet)

    def _at(self, filled: int, layer: str, method: str, done: int, total: int) -> None:
        steps = f", {done / total:.0%}" if method == "optimised" and done < total else ""
        self._bar.set_postfix_str(f"{layer} {method}{steps}", refresh=False)
        self._bar.update(filled - self._bar.n)

    def _note(self, text: str) -> None:
        if not self._quiet:
            click.echo(f"note: {text}", err=True)
