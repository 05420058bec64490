"""The three experiments of ``deconvviz perturb``, image by image and decoder by decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deconvviz.data.images import Photo, open_photo
from deconvviz.errors import ImageError
from deconvviz.figures.animating import save_animation
from deconvviz.runs import short_form
from deconvviz.tiles import photo_tile

from .data_options import DATA_OPTIONS, opened_data
from .perturb_changed import Changes, changed_rows
from .perturb_making import Optimiser, Subject
from .perturb_mixed import NOTES as MIXED_NOTES
from .perturb_mixed import mixed_rows
from .perturb_random import NOTES as RANDOM_NOTES
from .perturb_random import fitted, random_rows, redrawn_row
from .perturb_results import Row, write
from .perturb_rows import NOTES as CHANGED_NOTES
from .session import Target, announce, for_each_photo

_IN_A_LINE = 8


@dataclass(frozen=True)
class Task:
    """One call of the command.

    Attributes:
        paths: of the images.
        subjects: the decoders.
        places: where results go, by image and decoder.
        options: of the command line.
        optimiser: where pre-images are wanted too.
        quiet: say nothing on stderr.
    """

    paths: Sequence[Path]
    subjects: Sequence[Subject]
    places: Sequence[Sequence[Target]]
    options: dict[str, Any]
    optimiser: Optimiser | None
    quiet: bool

    def manifest(self, subject: Subject, **facts: Any) -> dict[str, Any]:
        """What made a result."""
        return subject.session.manifest(
            layer=subject.layer,
            module=subject.session.network.path_of(subject.layer),
            decoder=subject.decoder.label,
            optimiser=None if self.optimiser is None else self.optimiser.facts(),
            **facts,
        )

    def write(
        self,
        place: Target,
        subject: Subject,
        rows: Sequence[Row],
        facts: dict[str, Any],
        title: str,
        notes: Sequence[str],
        most: int = _IN_A_LINE,
    ) -> None:
        """Writes the results and prints their paths."""
        network, seed = subject.session.network, self.options["seed"]
        caption = (
            f"{network.name}, weights {network.origin.label} · decoder {subject.decoder.label} · seed {seed}"
        )
        announce(
            *write(
                place,
                rows,
                facts,
                title=title,
                notes=notes,
                caption=caption,
                most=most,
                each=self.options["each"],
                arrays=self.options["arrays"],
            )
        )


def _image(photo: Photo) -> dict[str, str]:
    return {"name": photo.name, "sha256": photo.sha256}


def run_changed(task: Task) -> None:
    """An image's features changed in known ways."""
    options = task.options
    names = ("keep", "by", "dropout", "rescale", "sweep", "seed")
    changes = Changes(**{name: options[name] for name in names})
    for subject in task.subjects:
        changes.check(subject)

    def work(i: int, photo: Photo) -> None:
        for subject, place in zip(task.subjects, task.places[i], strict=True):
            seen = subject.session.see(photo.image)
            rows = changed_rows(subject, photo, seen, changes, task.optimiser)
            facts = task.manifest(subject, image=_image(photo), changes=changes.facts())
            title = f"{photo.name}: pictures from changed features of {subject.label}"
            task.write(place, subject, rows, facts, title, CHANGED_NOTES)
            if task.optimiser is not None:
                task.optimiser.end()

    for_each_photo(task.paths, work)


def run_mixed(task: Task) -> None:
    """Features between those of two images."""
    options = task.options
    other, steps = open_photo(options["other"]), options["steps"]

    def work(i: int, photo: Photo) -> None:
        for subject, place in zip(task.subjects, task.places[i], strict=True):
            seen = (subject.session.see(photo.image), subject.session.see(other.image))
            found = mixed_rows(subject, (photo, other), seen, steps, task.optimiser)
            facts = task.manifest(subject, image=_image(photo), other=_image(other), steps=steps)
            title = f"From {photo.name} to {other.name} on a straight line in {subject.label}"
            task.write(place, subject, found.rows, facts, title, MIXED_NOTES, 9)
            path = options["animation"] or place.figure.with_suffix(".webp")
            tiles = [photo_tile(frame.float().cpu().numpy()) for frame in found.frames]
            announce(save_animation(tiles, path, short_form(facts)))
            if task.optimiser is not None:
                task.optimiser.end()

    for_each_photo(task.paths, work)


def run_random(task: Task) -> None:
    """Features that no image has."""
    options, count, kind = task.options, task.options["drawn"], task.options["statistics"]
    most, seed = options["fit_images"], options["seed"]
    side = max(subject.session.network.input_size for subject in task.subjects)
    chosen = {name: options[name] for name in DATA_OPTIONS}
    photos: list[Photo] = []
    unread = None
    try:
        for_each_photo(task.paths, lambda _, photo: photos.append(photo))
    except ImageError as error:
        if not photos:
            raise
        unread = error
    data = opened_data(**chosen, seed=seed, side=side, quiet=task.quiet)
    (places,) = task.places
    for subject, place in zip(task.subjects, places, strict=True):
        known = fitted(subject, data, most, count, seed, task.quiet)
        rows = random_rows(subject, known, kind, count, task.optimiser)
        shares = [*(share for share in options["sweep"] if share < 100), 100.0]
        for number, photo in enumerate(photos, 1):
            seen = subject.session.see(photo.image)
            key = f"redrawn_{number}" if len(photos) > 1 else "redrawn"
            rows.append(redrawn_row(subject, known, kind, key, photo, seen, shares, seed))
        facts = task.manifest(
            subject,
            images=[_image(photo) for photo in photos] or None,
            data=data.facts,
            statistics={"kind": kind, "images": known.statistics.count, "kept": known.statistics.kept},
        )
        title = f"{subject.label}: pictures from features that no image has"
        task.write(place, subject, rows, facts, title, RANDOM_NOTES)
        if task.optimiser is not None:
            task.optimiser.end()
    if unread is not None:
        raise unread
