"""The choices that make a deconvnet, a gradient or guided backpropagation out of one mirror.

| rule | signal is clamped at zero | signal is cut where the rectifier was off | source |
|---|---|---|---|
| `DECONVNET` | yes | no | Zeiler & Fergus 2013, sec. 2.1 |
| `GRADIENT` | no | yes | Simonyan et al. 2013, sec. 3; SaliNet of Mahendran & Vedaldi 2016 |
| `GUIDED` | yes | yes | Springenberg et al. 2014, sec. 3.4; DeSaliNet |
| `NONE` | no | no | a probe of Mahendran & Vedaldi 2016: rectifiers are left out |

The paper defines no inverse of contrast normalisation (LRN): the signal passes it unchanged by default.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Rectification(Enum):
    """What a rectifier does to the signal on its way down."""

    DECONVNET = "deconvnet"
    GRADIENT = "gradient"
    GUIDED = "guided"
    NONE = "none"

    @property
    def clamps(self) -> bool:
        """Whether negative signal is set to zero."""
        return self in (Rectification.DECONVNET, Rectification.GUIDED)

    @property
    def masks(self) -> bool:
        """Whether the signal is cut where the rectifier's output was zero in the recorded pass."""
        return self in (Rectification.GRADIENT, Rectification.GUIDED)


class Unpooling(Enum):
    """Where max-unpooling puts the signal inside a window."""

    SWITCHES = "switches"
    CENTRE = "centre"


class ContrastNormalisation(Enum):
    """What contrast normalisation (LRN) does to the signal: nothing, or its exact transpose."""

    IDENTITY = "identity"
    TRANSPOSE = "transpose"


@dataclass(frozen=True)
class Rules:
    """One way of going down: a rectification, an unpooling and a treatment of contrast normalisation.

    Example:
        >>> Rules(rectification=Rectification.GUIDED).rectification.masks
        True
    """

    rectification: Rectification = Rectification.DECONVNET
    unpooling: Unpooling = Unpooling.SWITCHES
    lrn: ContrastNormalisation = ContrastNormalisation.IDENTITY

    @classmethod
    def customary(cls, rectification: Rectification) -> Rules:
        """The rules that go with a rectification where nothing else is said.

        The gradient is that of contrast normalisation too; the other two pass it unchanged.
        """
        exact = rectification is Rectification.GRADIENT
        lrn = ContrastNormalisation.TRANSPOSE if exact else ContrastNormalisation.IDENTITY
        return cls(rectification, lrn=lrn)
