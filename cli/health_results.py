"""What ``deconvviz health`` says and leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from deconvviz.experiments.advice import ADVICE, findings, listed
from deconvviz.experiments.filter_health import FilterHealth
from deconvviz.figures import health_figure, save_figure
from deconvviz.runs import short_form, write_arrays, write_json
from deconvviz.training.renormalise import RADIUS

from .session import Session

_PAIRS = 100  # of twins that are listed
_OF_WEIGHTS = ("filters", "each", "RMS", "largest", f">{RADIUS:g}", "dominant", "zero", "twins")
_OF_MAPS = ("aliasing", "rough", "dead", "rare", "on", "zeros")


@dataclass(frozen=True)
class HealthResults:
    """The health of a network's filters, and all that is said about it.

    Attributes:
        session: the network and its facts.
        found: its layers.
        data: of the images that were shown; None if there were none.
    """

    session: Session
    found: Sequence[FilterHealth]
    data: dict[str, Any] | None

    @property
    def said(self) -> list[str]:
        """What stands out, a line each, and below those of a kind what to try; or that nothing does."""
        lines = []
        for kind, group in groupby(findings(self.found), lambda finding: finding.kind):
            lines += [f"{f.layer}: {f.fact} ({listed(f.units)})" for f in group]
            lines.append(f"  to try: {ADVICE[kind]}")
        return lines or ["nothing stands out"]

    @cached_property
    def plain(self) -> dict[str, Any]:
        """The numbers, for JSON."""
        told = [
            {
                "layer": f.layer,
                "kind": f.kind,
                "units": list(f.units),
                "of": f.of,
                "fact": f.fact,
                "try": f.advice,
            }
            for f in findings(self.found)
        ]
        return {
            "model": self.session.network.name,
            "images": self._images,
            "layers": [_plain(one) for one in self.found],
            "findings": told,
        }

    def figure(self, path: Path) -> Path:
        """Draws and writes the figure."""
        network = self.session.network
        over = f"{self._images} validation images of {Path(self.data['data']).name}" if self.data else ""
        caption = " · ".join(filter(None, [f"weights {network.origin.label}", over]))
        drawn = health_figure(self.found, title=f"{network.name}: the health of its filters", caption=caption)
        return save_figure(drawn, path, short_form(self._facts))

    def arrays(self, path: Path) -> Path:
        """Writes the numbers of every filter, under its layer's name."""
        told: dict[str, Any] = {}
        for one in self.found:
            name = one.layer.name
            told |= {f"{name}_rms": one.rms.numpy(), f"{name}_twins": one.twins.pairs.numpy()}
            told[f"{name}_cosines"] = one.twins.cosines.numpy()
            if one.first is not None:
                told[f"{name}_aliasing"] = one.first.aliasing.numpy()
                told[f"{name}_smoothness"] = one.first.smoothness.numpy()
                told[f"{name}_spectrum"] = one.first.spectrum.numpy()
            if one.firings is not None:
                told[f"{name}_fires"] = one.firings.shares.numpy()
                told[f"{name}_reach"] = one.firings.reach.numpy()
        return write_arrays(path, **told)

    def manifest(self, path: Path) -> Path:
        """Writes what made the result, and the numbers."""
        return write_json(path, {**self._facts, **self.plain})

    @cached_property
    def _facts(self) -> dict[str, Any]:
        return self.session.manifest(data=self.data)

    @property
    def _images(self) -> int:
        return next((one.firings.images for one in self.found if one.firings is not None), 0)


def _plain(one: FilterHealth) -> dict[str, Any]:
    """A layer's numbers; what was not looked at is None."""
    sizes = one.rms[one.rms.isfinite()].tolist()
    pairs = zip(one.twins.pairs[:_PAIRS].tolist(), one.twins.cosines[:_PAIRS].tolist(), strict=True)
    first, fired = one.first, one.firings
    smooth = [] if first is None else [None if v != v else v for v in first.smoothness.tolist()]
    return {
        "layer": one.layer.name,
        "module": one.layer.path,
        "filters": len(one.rms),
        "weights_each": one.layer.kernel,
        "stride": list(one.layer.stride),
        "rms": {
            "median": one.median,
            "smallest": min(sizes, default=None),
            "largest": max(sizes, default=None),
        },
        "above_radius": len(one.above),
        "dominant": list(one.dominant),
        "zero": list(one.zero),
        "broken": list(one.broken),
        "weights_zero": one.zeros,
        "twins": len(one.twins.alike),
        "spare": list(one.twins.spare),
        "opposites": len(one.twins.opposite),
        "pairs": [{"filters": pair, "cosine": cosine} for pair, cosine in pairs],
        "first": None
        if first is None
        else {
            "aliasing": float(first.aliasing.mean()),
            "aliased": list(first.aliased),
            "rough": list(first.rough),
            "shares": first.aliasing.tolist(),
            "smoothness": smooth,
        },
        "firing": None
        if fired is None
        else {
            "places": fired.places,
            "dead": list(fired.dead),
            "rare": list(fired.rare),
            "always_on": list(fired.always),
            "zeros": fired.zeros,
        },
    }


def table(found: Sequence[FilterHealth]) -> list[str]:
    """A line a layer, below one of headings; ``-`` where nothing was looked at."""
    lines = [["layer", *_OF_WEIGHTS, *_OF_MAPS], *(_cells(one) for one in found)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return [
        "  ".join(
            cell.rjust(w) if i else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]


def _cells(one: FilterHealth) -> list[str]:
    largest = max(one.rms[one.rms.isfinite()].tolist(), default=0.0)
    counts = [len(one.above), len(one.dominant), len(one.zero), len(one.twins.spare)]
    cells = [
        one.layer.name,
        str(len(one.rms)),
        one.layer.kernel.replace("×", "x"),
        f"{one.median:.3g}",
        f"{largest:.3g}",
        *map(str, counts),
    ]
    first, fired = one.first, one.firings
    cells += ["-", "-"] if first is None else [f"{100 * first.aliasing.mean():.0f}%", str(len(first.rough))]
    if fired is None:
        return [*cells, "-", "-", "-", "-"]
    return [
        *cells,
        *(str(len(u)) for u in (fired.dead, fired.rare, fired.always)),
        f"{100 * fired.zeros:.0f}%",
    ]
