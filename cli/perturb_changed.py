"""One image's features changed in known ways: the rows of ``deconvviz perturb IMAGE``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deconvviz.errors import ImageError, LayerError

from .perturb_making import Optimiser, Subject
from .perturb_results import Row
from .perturb_rows import Maker

if TYPE_CHECKING:
    from torch import Tensor

    from deconvviz.data.images import Photo


@dataclass(frozen=True)
class Changes:
    """What is done to the features.

    Attributes:
        keep: how many entries or maps are kept, and removed.
        by: what ranks them.
        dropout: in percent.
        rescale: whether dropout multiplies what it leaves.
        sweep: shares of dropout in percent; none for no sweeps.
        seed: of what is dropped.
    """

    keep: int
    by: str
    dropout: float
    rescale: bool
    sweep: Sequence[float]
    seed: int

    def check(self, subject: Subject) -> None:
        """Whether the layer has so many.

        Raises:
            LayerError: it has not.
        """
        shape = subject.encoder.shapes[subject.layer]
        if self.keep > shape[0]:
            raise LayerError(
                f"{subject.layer} has {shape[0]} {_kind(shape)}, so the {self.keep} largest cannot be kept: "
                "give a smaller --keep"
            )

    def facts(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "keep": self.keep,
            "by": self.by,
            "dropout": self.dropout,
            "rescaled": self.rescale,
            "sweep": list(self.sweep),
        }


def changed_rows(
    subject: Subject, photo: Photo, seen: Tensor, changes: Changes, optimiser: Optimiser | None
) -> list[Row]:
    """Everything that is made from one image's features.

    Args:
        subject: the decoder and its encoder.
        photo: the image.
        seen: (1, 3, S, S), the image as the network sees it.
        changes: what is done to its features.
        optimiser: makes pictures of them too, where it is given.

    Raises:
        ImageError: the layer is zero all over for it.
    """
    import torch

    from deconvviz.experiments.perturbing import perturbations

    original, features = subject.session.network.pixels(seen)[0], features_of(subject, photo, seen)
    done = perturbations(
        features,
        changes.keep,
        changes.dropout / 100,
        by=changes.by,
        seed=changes.seed,
        rescale=changes.rescale,
    )
    kind, shape = _kind(features.shape[1:]), features.shape[1:]
    titles = {
        "unchanged": "unchanged",
        "largest": f"only the {changes.keep} largest",
        "rest": f"all but those {changes.keep}",
        "binarised": "signs at equal norm",
        "dropout": f"dropout of {changes.dropout:g} %",
    }
    stacked, names = torch.cat(list(done.values())), [titles[name] for name in done]
    maker = Maker(subject, original, features)
    size = " x ".join(map(str, shape))
    rows = [
        maker.row(
            "decoder",
            f"Learned decoder, from the features of {subject.layer} ({size})",
            names,
            stacked,
            told=_largest(subject, features, done["largest"]),
            image=True,
        )
    ]
    if optimiser is not None:
        made = optimiser.pictures(subject, stacked, f"{photo.name}, {subject.label}")
        ended = f" ({optimiser.stopped})" if optimiser.stopped else ""
        told = (
            "Found so that the layer sees in each what the features say, as far as it can; then cut to the "
            "values that a picture can have."
        )
        rows.append(
            maker.row(
                "optimised",
                f"Optimised pre-images, from the same features{ended}",
                names,
                stacked,
                made,
                told=told,
                image=True,
                uncut=optimiser.uncut,
            )
        )
    return [*rows, *_sweeps(maker, features, changes, kind)] if changes.sweep else rows


def features_of(subject: Subject, photo: Photo, seen: Tensor) -> Tensor:
    """(1, ...), what the layer sees in the image.

    Raises:
        ImageError: nothing.
    """
    features = subject.features(seen)
    if not features.any():
        raise ImageError(f"{photo.name}: {subject.layer} is zero all over, there is nothing to decode")
    return features


def _sweeps(maker: Maker, features: Tensor, changes: Changes, kind: str) -> list[Row]:
    """A row of dropout shares, and one of how many entries are kept."""
    import torch

    from deconvviz.experiments.perturbing import counts_up_to, dropped, only_largest

    shares, counts = changes.sweep, counts_up_to(features.shape[1])
    gone = [dropped(features, share / 100, seed=changes.seed, rescale=changes.rescale) for share in shares]
    left = [only_largest(features, count, changes.by) for count in counts]
    scaled = (
        "what is left is multiplied to make up for it" if changes.rescale else "the rest is left as it is"
    )
    return [
        maker.row(
            "dropout_sweep",
            "Learned decoder: so many of all entries set to zero",
            [f"{share:g} %" for share in shares],
            torch.cat(gone),
            told=f"Drawn at random; what is gone at one share is gone at every larger one, and {scaled}.",
        ),
        maker.row(
            "kept_sweep",
            f"Learned decoder: only so many of the largest {kind} kept",
            [f"all {count}" if count == counts[-1] else str(count) for count in counts],
            torch.cat(left),
        ),
    ]


def _kind(shape: Sequence[int]) -> str:
    return "feature maps" if len(shape) == 3 else "entries"


def _largest(subject: Subject, features: Tensor, kept: Tensor) -> str:
    """Which are the largest, and how much of the features' length is theirs."""
    flat = kept[0].reshape(len(kept[0]), -1).amax(1)
    chosen = [
        c
        for c in features[0].reshape(len(flat), -1).amax(1).argsort(descending=True).tolist()
        if kept[0, c].any()
    ]
    network = subject.session.network
    classes = network.class_names(subject.layer, chosen)
    said = [
        f"{name or channel} ({float(flat[channel]):.3g})"
        for channel, name in zip(chosen, classes, strict=True)
    ]
    share = float(kept.square().sum() / features.square().sum())
    few = ", ".join(said[:5]) + (", ..." if len(said) > 5 else "")
    named = "" if any(classes) else "maps " if features.ndim > 2 else "units "
    return f"The largest: {named}{few}. Of the features' squared length {100 * share:.0f} % are theirs."
