"""Colour models and graph cuts, as OpenCV's GrabCut has them.

GrabCut learns two mixtures of five Gaussians over colours and cuts the graph of pixels where a colour fits
the one or the other better and where the image has edges. Here its two halves are called apart, so that the
colours can be learnt from chosen pixels alone.

Source: Rother et al. 2004, "GrabCut"; Boykov & Jolly 2001 for the cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..tiles import Bytes

Mask = NDArray[np.bool_]
Doubles = NDArray[np.float64]
_COMPONENTS = 5  # of a colour model: OpenCV's own number
_NO_BOX = (0, 0, 1, 1)  # which GrabCut wants, and does not look at where it is given labels


@dataclass(frozen=True)
class ColourModel:
    """A mixture of Gaussians over RGB colours in [0, 255].

    Attributes:
        weights: (5) of the components; zero for those that fewer different colours leave over.
        means: (5, 3).
        covariances: (5, 3, 3).
    """

    weights: Doubles
    means: Doubles
    covariances: Doubles


def learnt_colours(picture: Bytes, foreground: Mask, background: Mask, seed: int) -> tuple[Doubles, Doubles]:
    """OpenCV's colour models of the foreground and of the background, from these pixels alone.

    GrabCut learns from every pixel of the image that it is given: so it is given one row of just these.
    """
    import cv2

    row = np.concatenate([picture[foreground], picture[background]])[None]
    labels = np.full(row.shape[:2], cv2.GC_BGD, np.uint8)
    labels[:, : foreground.sum()] = cv2.GC_FGD
    empty = np.zeros((2, 1, 13 * _COMPONENTS))
    cv2.setRNGSeed(seed % 2**31)
    _, *models = cv2.grabCut(row, labels, _NO_BOX, empty[0], empty[1], 0, cv2.GC_INIT_WITH_MASK)
    behind, front = (np.asarray(model, dtype=np.float64) for model in models)
    return front, behind


def labelled(heat: Doubles, foreground: Mask, background: Mask, pinned: float) -> Bytes:
    """GrabCut's labels before the cut: the seeds' sides as a first guess, pinned ones for good."""
    import cv2

    high, low = np.quantile(heat, [1 - pinned, pinned])
    labels = np.where(foreground, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[foreground & (heat > high)] = cv2.GC_FGD
    labels[background & (heat < low)] = cv2.GC_BGD
    return labels


def graph_cut(picture: Bytes, labels: Bytes, models: tuple[Doubles, Doubles], iterations: int) -> Bytes:
    """The labels after one cut with the models as they are, and so many with models learnt from the last."""
    import cv2

    front, behind = (values.copy() for values in models)  # OpenCV writes into what it is given
    for turn in range(iterations + 1):
        if turn and len(np.unique(labels & 1)) < 2:
            break  # one side is empty: there is nothing to learn its colours from
        mode = cv2.GC_EVAL if turn else cv2.GC_EVAL_FREEZE_MODEL
        cv2.grabCut(picture, labels, _NO_BOX, behind, front, 1, mode)
    return labels


def largest_piece(labels: Bytes) -> Mask | None:
    """The largest connected piece of the foreground; None where there is none."""
    import cv2

    count, pieces, facts, _ = cv2.connectedComponentsWithStats(labels & 1, connectivity=8)
    return None if count < 2 else pieces == 1 + facts[1:, cv2.CC_STAT_AREA].argmax()


def colour_model(values: Doubles) -> ColourModel:
    """OpenCV's 65 numbers by what they mean."""
    weights, means, covariances = np.split(values.ravel(), [_COMPONENTS, 4 * _COMPONENTS])
    return ColourModel(weights, means.reshape(-1, 3), covariances.reshape(-1, 3, 3))
