"""Invariance: how far a network's features move when the photograph is moved, enlarged or turned.

    found = invariance(network, images, ["conv1", "fc7"])
    course = found.courses["rotation"]
    course.amounts                                    # (S) degrees
    course.distances                                  # (N, L, S)
    course.probabilities                              # (N, S)

The distance is the Euclidean one between a layer's features of the transformed image and those of the image
as it is; the probability is that of one class, the same at every amount. A layer is invariant as far as the
distance stays small: beside it stands how far the features of two different images are apart.

What a transformation moves into sight is the photograph's own as far as it goes (see `scenes`), then the
fill. A fill of one colour has an edge to the photograph, which is itself something to see.

Source: Zeiler & Fergus 2013, sec. 4.1 and fig. 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from ..errors import ModelError, UnitError
from ..models import Network
from ..models.ends import first_layer, last_features
from .answers import Answers, answers, class_of
from .scenes import Scene, scenes_of
from .squares import in_proportion
from .transforms import KINDS, amounts, check, does_nothing, transformed, untouched


@dataclass(frozen=True)
class Course:
    """What one transformation does to N images; float64 tensors on the CPU.

    Attributes:
        amounts: S of them: pixels down, factors, or degrees anticlockwise.
        distances: (N, L, S) of each layer's features to the untransformed image's.
        probabilities: (N, S) in [0, 1] of each image's class; None where classes were left out.
    """

    amounts: tuple[float, ...]
    distances: Tensor
    probabilities: Tensor | None


@dataclass(frozen=True)
class Invariance:
    """What the three transformations do to N images in L layers; float64 tensors on the CPU.

    Attributes:
        layers: their names.
        courses: by transformation: ``translation``, ``scale``, ``rotation``.
        lengths: (N, L) of the untransformed images' features, from zero.
        between: (N, N, L) distances of the untransformed images' features from each other.
        targets: the class of each image; none where classes were left out.
        relative: whether all distances are in units of the image's own `lengths`.
    """

    layers: tuple[str, ...]
    courses: Mapping[str, Course]
    lengths: Tensor
    between: Tensor
    targets: tuple[int, ...]
    relative: bool = False

    def in_lengths(self) -> Invariance:
        """The same with each image's distances divided by the length of its untransformed features."""
        courses = {
            kind: replace(course, distances=course.distances / self.lengths[..., None])
            for kind, course in self.courses.items()
        }
        return replace(self, courses=courses, between=self.between / self.lengths[:, None], relative=True)


def invariance(
    network: Network,
    images: Tensor | Sequence[Scene],
    layers: Sequence[str] | None = None,
    *,
    targets: Sequence[int | None] | None = None,
    scores: bool = True,
    translate: int | None = None,
    scale_to: float = 1.8,
    rotate_to: float = 360.0,
    steps: int = 25,
    batch_size: int = 16,
    advance: Callable[[int], object] = lambda images: None,
) -> Invariance:
    """Moves, enlarges and turns images and looks at what becomes of their features and class.

    Args:
        network: of any kind; it is left as it was.
        images: (N, 3, H, W), normalised as the network expects, on its device, around which the colours of
            the edges go on; or photographs with what lies around them, all shown at one size.
        layers: whose features are compared; None is the first convolution's and the last before the scores.
        targets: a class for each image; None, in place of one or of all, is the most probable one of the
            image as it is.
        scores: look at the probability of the class; a network that does not score classes needs False.
        translate: pixels, up and down; None is 60 of 224, in proportion.
        scale_to: the last scale; the first is 1.
        rotate_to: degrees, anticlockwise; the first are 0.
        steps: amounts of each transformation; see `transforms.amounts`.
        batch_size: how many images go through the network at once.
        advance: told how many more images are done.

    Raises:
        LayerError: no such layer, or its features are neither maps nor vectors.
        ModelError: the images do not fit the network, a transformation is impossible, or the network does
            not score classes.
        UnitError: a class does not exist, or there are not as many as images.
        WeightsError: the weights for a layer are missing.

    Example:
        >>> from deconvviz import load_model
        >>> found = invariance(load_model("mini"), torch.zeros(1, 3, 64, 64), steps=3)
        >>> found.layers, found.courses["translation"].amounts
        (('conv1', 'fc7'), (-17, 0, 17))
    """
    scenes = scenes_of(network, images) if isinstance(images, Tensor) else list(images)
    if not scenes:
        raise ModelError("there is no image to transform: give at least one")
    asked = [None] * len(scenes) if targets is None else list(targets)
    if len(asked) != len(scenes):
        raise UnitError(f"{len(asked)} classes for {len(scenes)} images: give one for each")
    named = tuple(dict.fromkeys(layers or default_layers(network)))
    ask = partial(answers, network, layers=named, scores=scores)
    plan = planned(scenes[0].box[2], translate, scale_to, rotate_to, steps)
    looks = []
    for scene, target in zip(scenes, asked, strict=True):
        whole = ask(scene.shown[None])
        number = None if whole.scores is None else class_of(network, whole.scores, target)
        advance(1)
        looks.append(_look(ask, scene, whole, number, plan, batch_size, advance))
    courses = {
        kind: Course(
            amounts=plan[kind],
            distances=torch.stack([look.distances[kind] for look in looks]),
            probabilities=torch.stack([look.probabilities[kind] for look in looks]) if scores else None,
        )
        for kind in KINDS
    }
    return Invariance(
        layers=named,
        courses=courses,
        lengths=torch.stack([look.whole.lengths()[0] for look in looks]),
        between=torch.stack(
            [torch.stack([other.whole.apart(one.whole)[0] for other in looks]) for one in looks]
        ),
        targets=tuple(look.target for look in looks if look.target is not None),
    )


def default_layers(network: Network) -> tuple[str, ...]:
    """The first convolution and the last layer before the class scores; one where they are the same.

    Args:
        network: of any kind; of a weights file that ends earlier, the last layer that it has.

    Raises:
        LayerError: they cannot be made out.
        WeightsError: the weights serve no layer.
    """
    return tuple(dict.fromkeys((first_layer(network), last_features(network))))


@dataclass(frozen=True)
class _Look:
    """One image as it is, its class, and what becomes of it: (L, S) and (S) by transformation."""

    whole: Answers
    target: int | None
    distances: Mapping[str, Tensor]
    probabilities: Mapping[str, Tensor]


def _look(
    ask: Callable[[Tensor], Answers],
    scene: Scene,
    whole: Answers,
    target: int | None,
    plan: Mapping[str, Sequence[float]],
    batch_size: int,
    advance: Callable[[int], object],
) -> _Look:
    """Every transformation of one image, so many in a pass; what changes nothing is not computed again."""
    views = [(kind, x) for kind, xs in plan.items() for x in xs if not does_nothing(kind, x)]
    distance, probability = dict[tuple[str, float], Tensor](), dict[tuple[str, float], Tensor]()
    for start in range(0, len(views), batch_size):
        part = views[start : start + batch_size]
        found = ask(torch.stack([transformed(scene, *view) for view in part]))
        distance.update(zip(part, found.apart(whole), strict=True))
        if target is not None:
            probability.update(zip(part, found.probabilities(target), strict=True))
        advance(len(part))
    still = torch.zeros_like(whole.lengths()[0])
    distances = {k: torch.stack([distance.get((k, x), still) for x in xs], dim=1) for k, xs in plan.items()}
    if target is None:
        return _Look(whole, None, distances, {})
    sure = whole.probabilities(target)[0]
    probabilities = {k: torch.stack([probability.get((k, x), sure) for x in xs]) for k, xs in plan.items()}
    return _Look(whole, target, distances, probabilities)


def planned(
    side: int, translate: int | None, scale_to: float, rotate_to: float, steps: int
) -> dict[str, tuple[float, ...]]:
    """The amounts of each transformation.

    Args:
        side: of the network's input, in pixels.
        translate: see `invariance`; likewise the others.
        scale_to: the last scale.
        rotate_to: the last angle.
        steps: how many amounts of each.

    Raises:
        ModelError: one is impossible, or none at all.
    """
    reach = in_proportion(60, side) if translate is None else translate
    reaches = dict(zip(KINDS, (reach, scale_to, rotate_to), strict=True))
    for kind, last in reaches.items():
        check(kind, last, side)
        if last == untouched(kind):
            raise ModelError(f"a {kind} of {last:g} at most changes nothing: give another")
    return {kind: amounts(kind, last, steps) for kind, last in reaches.items()}
