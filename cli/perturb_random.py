"""Features that no image has: the rows of ``deconvviz perturb --random N``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .perturb_changed import features_of
from .perturb_making import Optimiser, Subject
from .perturb_results import Row, likeness

if TYPE_CHECKING:
    from torch import Tensor

    from deconvviz.data.datasets import DataSet, LabelledImages
    from deconvviz.data.images import Photo
    from deconvviz.experiments.feature_statistics import FeatureStatistics

NOTES = (
    "feature error: the distance between what the layer sees in the picture and what the picture was made "
    "from, over the latter's length; 0 is perfect, and a layer that sees nothing gets 1",
)
_BATCH = 50
_HOW = {
    "empirical": "Each unit takes the value that it has in an image of its own, of {count}. That units go "
    "together in an image is lost, and nothing else.",
    "gaussian": "Each unit is drawn from a normal distribution fitted to it over {count} images{cut}. That "
    "units go together in an image is lost, and the exact shape of each one's distribution.",
}


@dataclass(frozen=True)
class Fitted:
    """What was learnt about a layer.

    Attributes:
        statistics: of its units.
        real: (N, ...), features of N validation images.
        originals: those images, (N, 3, S, S) in [0, 1].
        names: what the data set calls them.
    """

    statistics: FeatureStatistics
    real: Tensor
    originals: Tensor
    names: Sequence[str]


def fitted(subject: Subject, data: DataSet, most: int, count: int, seed: int, quiet: bool) -> Fitted:
    """Looks at a data set: statistics of its training images, and features of some validation images.

    Args:
        subject: the decoder and its encoder.
        data: the data set.
        most: training images, at most.
        count: validation images, at most; evenly spaced, as the others.
        seed: of what is drawn.
        quiet: show no progress.
    """
    import torch
    from tqdm import tqdm

    from deconvviz.experiments.feature_statistics import FeatureStatistics
    from deconvviz.metrics import evenly_spaced

    statistics = FeatureStatistics(most, seed)
    rows = data.train.rows[evenly_spaced(len(data.train), most)]
    with tqdm(total=len(rows), desc=f"features of {subject.layer}", unit="img", disable=quiet) as bar:
        for first in range(0, len(rows), _BATCH):
            batch = rows[first : first + _BATCH]
            statistics.add(subject.features(_seen(subject, data.train, batch)))
            bar.update(len(batch))
    shown = data.val.rows[evenly_spaced(len(data.val), count)]
    seen = _seen(subject, data.val, shown)
    real = torch.cat([subject.features(seen[i : i + 1]) for i in range(len(seen))])
    names = [data.val.names[row] for row in shown]
    return Fitted(statistics, real, subject.session.network.pixels(seen), names)


def _seen(subject: Subject, images: LabelledImages, rows: Any) -> Tensor:
    import numpy as np
    import torch

    pixels = torch.from_numpy(np.array(images.pixels[rows]))
    return subject.encoder.see(pixels.to(subject.encoder.device))


def random_rows(
    subject: Subject, known: Fitted, kind: str, count: int, optimiser: Optimiser | None
) -> list[Row]:
    """Pictures of real features, and of drawn ones.

    Args:
        subject: the decoder and its encoder.
        known: what was learnt about the layer.
        kind: ``empirical`` or ``gaussian``.
        count: features to be drawn.
        optimiser: makes pictures of them too, where it is given.
    """
    device = known.real.device
    drawn = known.statistics.draw(count, kind).to(device)
    cut = ", cut at zero" if known.statistics.rectified else ""
    images = known.statistics.kept if kind == "empirical" else known.statistics.count
    how = _HOW[kind].format(count=images, cut=cut)
    many = [str(i + 1) for i in range(count)]
    real = [str(i + 1) for i in range(len(known.real))]
    rows = [
        Row(
            "images",
            "Images, none of them among those that the units were looked at in",
            real,
            list(known.originals),
            facts={"images": list(known.names)},
        ),
        _row(
            subject,
            "real",
            f"Learned decoder, from the features of {subject.layer} of these images",
            real,
            known.real,
        ),
        _row(
            subject,
            "drawn",
            "Learned decoder, from features drawn unit by unit",
            many,
            drawn,
            told=how,
        ),
    ]
    if optimiser is not None:
        found = optimiser.pictures(subject, drawn, f"drawn, {subject.label}")
        ended = f" ({optimiser.stopped})" if optimiser.stopped else ""
        title = f"Optimised pre-images, from the same drawn features{ended}"
        row = _row(subject, "optimised", title, many, drawn, found)
        rows.append(row.with_numbers(feature_error_uncut=optimiser.uncut))
    return rows


def redrawn_row(
    subject: Subject,
    known: Fitted,
    kind: str,
    key: str,
    photo: Photo,
    seen: Tensor,
    shares: Sequence[float],
    seed: int,
) -> Row:
    """An image's features with a growing share of them drawn anew.

    Args:
        subject: the decoder and its encoder.
        known: what was learnt about the layer.
        kind: ``empirical`` or ``gaussian``.
        key: of the row.
        photo: the image.
        seen: (1, 3, S, S), as the network sees it.
        shares: in percent.
        seed: of which are drawn.

    Raises:
        ImageError: the layer is zero all over for it.
    """
    import torch

    from deconvviz.experiments.perturbing import redrawn

    features = features_of(subject, photo, seen)
    others = known.statistics.draw(1, kind).to(features.device)
    changed = torch.cat([redrawn(features, others, share / 100, seed=seed) for share in shares])
    original = subject.session.network.pixels(seen)[0]
    row = _row(
        subject,
        key,
        f"Learned decoder, from the features of {photo.name} with so many of all units drawn anew",
        [f"{share:g} %" for share in shares],
        changed,
        original=original,
        facts={"image": photo.name, "sha256": photo.sha256},
    )
    return row.after("what the network saw", original, features)


def _row(
    subject: Subject,
    key: str,
    title: str,
    names: Sequence[str],
    features: Tensor,
    made: Sequence[Tensor | None] | None = None,
    *,
    told: str = "",
    original: Tensor | None = None,
    facts: dict[str, Any] | None = None,
) -> Row:
    """Pictures of features, with how much of these the layer sees in them, and how alike they are."""
    import torch

    from deconvviz.metrics import mean_pair_distance

    pictures: list[Tensor | None] = list(subject.decoded(features)) if made is None else list(made)
    there = [i for i, one in enumerate(pictures) if one is not None]
    if not there:
        return Row(key, title, names, pictures, features, {}, (), told, facts or {})
    stacked = torch.stack([one for one in pictures if one is not None])
    judged = subject.judged(stacked, features[there], original)
    numbers = {name: [float("nan")] * len(pictures) for name in judged}
    for name, values in judged.items():
        for place, value in zip(there, values, strict=True):
            numbers[name][place] = value
    notes = [
        [
            *([likeness("image", numbers["psnr"][i], numbers["ssim"][i])] if original is not None else []),
            f"feature error {numbers['feature_error'][i]:.2f}",
        ]
        for i in range(len(pictures))
    ]
    more = dict(facts or {})
    if original is None and len(there) > 1:
        apart = mean_pair_distance(stacked) / stacked[0].numel() ** 0.5
        mean = sum(judged["feature_error"]) / len(there)
        more.update(mean_feature_error=mean, pair_distance=apart)
        end = f"two of the pictures differ by {apart:.3f} a pixel (root mean square)."
        told = f"{told} Mean feature error {mean:.2f}; {end}".strip()
    return Row(key, title, names, pictures, features, numbers, notes, told, more)
