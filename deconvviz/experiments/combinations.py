"""The three choices by which gradient, deconvnet and guided backpropagation differ, in all combinations.

| code | mask | switches | backward ReLU | known as |
|---|---|---|---|---|
| TTT | yes | yes | yes | DeSaliNet: guided backpropagation |
| TTF | yes | yes | no | SaliNet: the gradient |
| FTT | no | yes | yes | DeConvNet |
| FTF | no | yes | no | the switches alone |
| TFT | yes | no | yes | |
| TFF | yes | no | no | the mask alone |
| FFT | no | no | yes | the backward ReLU alone |
| FFF | no | no | no | nothing of the image: filters and architecture |

Each letter answers one question: is the signal cut where a rectifier was off on the way up (the mask)? Does
it go back to where each maximum came from (the switches), or to the centre of each pooling window? Is it
clamped at zero at each rectifier (the backward ReLU)? Mask and switches come from the image, the third does
not. Contrast normalisation (LRN) is passed unchanged; where its exact transpose is taken instead the code
ends with a fourth letter, F. In networks with LRN the gradient is therefore TTFF, and TTF not quite.

Source: Mahendran & Vedaldi 2016, "Salient Deconvolutional Networks", and the codes of the authors' program.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..deconvnet import ContrastNormalisation, Rectification, Rules, Unpooling

_NAMES = {
    "TTT": "DeSaliNet (guided)",
    "TTTF": "DeSaliNet, LRN transposed",
    "TTF": "SaliNet (gradient)",
    "TTFF": "SaliNet (gradient)",
    "FTT": "DeConvNet",
    "FTTF": "DeConvNet, LRN transposed",
    "FTF": "switches alone",
    "TFT": "mask and backward ReLU",
    "TFF": "mask alone",
    "FFT": "backward ReLU alone",
    "FFF": "filters alone",
}


@dataclass(frozen=True)
class Combination:
    """One way of going down.

    Attributes:
        mask: cut the signal where the rectifier was off in the recorded pass.
        switches: unpool to the recorded maxima; else to the centre of each window.
        backward_relu: clamp the signal at zero at each rectifier.
        lrn_transposed: take contrast normalisation's exact transpose; else the signal passes it unchanged.
    """

    mask: bool
    switches: bool
    backward_relu: bool
    lrn_transposed: bool = False

    @property
    def code(self) -> str:
        """The paper's code: ``TTF`` and so on, ``TTFF`` with LRN's transpose."""
        letters = "".join("FT"[choice] for choice in (self.mask, self.switches, self.backward_relu))
        return letters + ("F" if self.lrn_transposed else "")

    @property
    def rules(self) -> Rules:
        """The same for `project`."""
        rectification = {
            (False, False): Rectification.NONE,
            (True, False): Rectification.GRADIENT,
            (False, True): Rectification.DECONVNET,
            (True, True): Rectification.GUIDED,
        }[self.mask, self.backward_relu]
        return Rules(
            rectification,
            Unpooling.SWITCHES if self.switches else Unpooling.CENTRE,
            ContrastNormalisation.TRANSPOSE if self.lrn_transposed else ContrastNormalisation.IDENTITY,
        )

    def name(self, lrn: bool = False) -> str:
        """What it is known as.

        Args:
            lrn: the network has contrast normalisation: the gradient is then TTFF alone.
        """
        if lrn and self.code == "TTF":
            return "SaliNet, LRN passed"
        return _NAMES.get(self.code) or f"{_NAMES[self.code[:3]]}, LRN transposed"


DECONVNET = Combination(mask=False, switches=True, backward_relu=True)
"""What all others are compared with."""
COMBINATIONS = tuple(
    Combination(mask, switches, backward_relu)
    for switches in (True, False)
    for mask, backward_relu in ((True, True), (True, False), (False, True), (False, False))
)
"""The eight with contrast normalisation passed unchanged: first those with switches."""


def combinations(lrn: str = "identity") -> tuple[Combination, ...]:
    """The eight combinations for one treatment of contrast normalisation, or the sixteen for both.

    Args:
        lrn: ``identity``, ``transpose``, or ``both``.

    Raises:
        ValueError: it is none of these.

    Example:
        >>> [each.code for each in combinations("transpose")][:3]
        ['TTTF', 'TTFF', 'FTTF']
    """
    treatments = {"identity": (False,), "transpose": (True,), "both": (False, True)}
    if lrn not in treatments:
        raise ValueError(f"lrn is one of {', '.join(treatments)}; got '{lrn}'")
    return tuple(
        Combination(each.mask, each.switches, each.backward_relu, transposed)
        for transposed in treatments[lrn]
        for each in COMBINATIONS
    )
