"""From what is wrong with filters to what to try about it.

    for finding in findings(filter_health(network)):
        print(finding.layer, finding.fact, finding.advice)

What counts as a finding is said where it is measured: see `filter_health`. None of them proves that a network
is bad: a share of dead units is the price of rectifiers, and units that are always on are what the sums of a
residual network are like. They say where to look first.

Source: renormalisation and the smaller stride: Zeiler & Fergus 2013, sec. 3 and 4.1; initialisation: He et
al. 2015, "Delving Deep into Rectifiers".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..training.renormalise import RADIUS
from .filter_health import DOMINANT, FilterHealth
from .firing import RARE

ADVICE = {
    "broken": "training diverged here: go back to an earlier checkpoint and lower the learning rate",
    "dominant": f"train with --renormalise {RADIUS:g} (batch norms scale filters too), or at a lower rate",
    "zero": "nothing is left of them: fewer filters, or less weight decay",
    "twins": "fewer filters, or more data and dropout",
    "aliasing": "a smaller stride and kernel: ZFNet took 7x7 at stride 2 in place of 11x11 at stride 4",
    "rough": "train longer or on more data; with a large stride, make that smaller first",
    "dead": "a lower learning rate, He initialisation, batch norms; or fewer filters",
    "rare": "more images tell whether they are dead; then as for dead units",
    "always": "batch norms or a lower bias: their rectifier never acts (usual after sums in residual nets)",
}
"""What to try, by kind of finding; the most urgent kind first."""
_SHOWN = 8  # units that are listed one by one


@dataclass(frozen=True)
class Finding:
    """Something about a layer that is worth a look.

    Attributes:
        layer: its name.
        kind: one of `ADVICE`'s.
        units: whose filters or outputs.
        of: how many units the layer has.
        fact: what was found, in words.
    """

    layer: str
    kind: str
    units: tuple[int, ...]
    of: int
    fact: str

    @property
    def advice(self) -> str:
        """What to try."""
        return ADVICE[self.kind]


def findings(found: Sequence[FilterHealth]) -> list[Finding]:
    """What is worth a look, kind by kind as in `ADVICE`, the network's beginning first.

    Args:
        found: the health of some layers.

    Example:
        >>> from deconvviz.models import load_model
        >>> from deconvviz.experiments.filter_health import filter_health
        >>> [(f.layer, f.units) for f in findings(filter_health(load_model("mini"), ["conv1"]))]
        [('conv1', (2, 4, 26, 36, 38, 40))]
    """
    every = [finding for one in found for finding in _of(one)]
    return [finding for kind in ADVICE for finding in every if finding.kind == kind]


def _of(one: FilterHealth) -> Iterator[Finding]:
    count, fired = len(one.rms), one.firings
    known: list[tuple[str, tuple[int, ...], str]] = [
        ("broken", one.broken, "filters hold NaN or infinity"),
        ("dominant", one.dominant, f"filters exceed {DOMINANT:g} times their layer's median RMS"),
        ("zero", one.zero, "filters are zero"),
        ("twins", one.twins.spare, "filters repeat another one of the layer"),
    ]
    if one.first is not None:
        known += [
            ("aliasing", one.first.aliased, f"kernels alias at {_stride(one.first.stride)}"),
            ("rough", one.first.rough, "kernels are fine patterns or noise"),
        ]
    if fired is not None:
        shown = f"{fired.images} image{'s' if fired.images > 1 else ''}"
        known += [
            ("dead", fired.dead, f"units never fire in {shown}"),
            ("rare", fired.rare, f"units fire at less than {100 * RARE:g} % of places"),
            ("always", fired.always, f"units are on at every place of {shown}"),
        ]
    for kind, units, what in known:
        if units:
            yield Finding(one.layer.name, kind, units, count, f"{len(units)} of {count} {what}")


def listed(units: Sequence[int]) -> str:
    """Unit numbers in words: all of a few, else the first ones and how many more there are.

    Example:
        >>> listed([3, 5]), listed(range(20))
        ('3, 5', '0, 1, 2, 3, 4, 5, 6, 7 and 12 more')
    """
    shown = ", ".join(map(str, units[:_SHOWN]))
    return f"{shown} and {len(units) - _SHOWN} more" if len(units) > _SHOWN else shown


def _stride(stride: tuple[int, int]) -> str:
    return f"stride {stride[0]}" if stride[0] == stride[1] else f"stride {stride[0]}×{stride[1]}"
