"""What every command that looks at photographs does first: the network, the pictures, where things go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deconvviz.errors import ImageError, ModelError
from deconvviz.runs import FIGURE_SUFFIXES

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from deconvviz.data.images import Photo
    from deconvviz.models import Network

SESSION_OPTIONS = ("model", "weights", "seed", "device", "input_size", "quiet")
"""The options that `open_session` takes."""


@dataclass
class Session:
    """A loaded network and the facts that every manifest carries.

    Attributes:
        network: on its device.
        facts: model, weights, device and seed, for the manifest.
    """

    network: Network
    facts: dict[str, Any]
    _digest: Future[str] | None = field(default=None, repr=False)

    def manifest(self, **facts: Any) -> dict[str, Any]:
        """A manifest of these facts and the session's own."""
        from deconvviz.runs import manifest

        if self._digest is not None:
            self.facts["weights"]["sha256"] = self._digest.result()
        return manifest(**self.facts, **facts)

    def manifest_of(self, photo: Photo, layer: str | None = None) -> dict[str, Any]:
        """A manifest of the session, a photograph, and a layer where one is meant."""
        of_layer = {} if layer is None else {"layer": layer, "module": self.network.path_of(layer)}
        return self.manifest(image={"name": photo.name, "sha256": photo.sha256}, **of_layer)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        import torch

        return torch.device(self.facts["device"])

    def taken_for(self, batch: Tensor) -> list[tuple[str, float]]:
        """The three most probable classes of a batch of one, for networks that were trained here."""
        if not self.network.class_ids:
            return []  # of a large network's file only the layers asked for are read
        from deconvviz.training.predicting import predict

        found = predict(self.network, batch, 3)[0]
        return list(zip(found.names, found.probabilities, strict=True))

    def see(self, image: Any) -> Tensor:
        """A PIL image as the batch of one that the network sees, on its device."""
        return self.network.see(image).to(self.device)


def open_session(
    model: str, weights: str, seed: int, device: str, input_size: int | None, quiet: bool
) -> Session:
    """Loads a network for one command; hashes its weights meanwhile."""
    from deconvviz.runs import sha256_later

    file = Path(weights) if weights not in ("default", "random") else None
    digest = sha256_later(file) if file is not None and file.is_file() else None
    from deconvviz.models import load_model

    place = place_of(device)
    network = load_model(model, weights, seed=seed, input_size=input_size, lean=True, progress=not quiet)
    network.move_to(place)
    if network.origin.path is not None and digest is None:
        digest = sha256_later(network.origin.path)
    if not quiet:
        tell(model, weights, network.name)
    facts: dict[str, Any] = {
        "model": network.name,
        "weights": {"label": network.origin.label},
        "input_size": network.input_size,
        "device": str(place),
        "seed": seed,
    }
    if weights not in ("default", "random"):
        facts["weights"]["file"] = weights
    return Session(network, facts, digest)


def tell(asked: str, weights: str, model: str) -> None:
    """Says on stderr what the pictures will not show what one might think."""
    if weights == "random":
        click.echo(
            f"note: {model} has random weights: pictures show its architecture, not anything it learned",
            err=True,
        )
    elif asked == "auto" and weights == "default" and model != "alexnet":
        click.echo(
            "note: AlexNet's ImageNet weights are neither cached nor can they be downloaded now: using "
            f"'{model}', the small model that ships with deconvviz (64x64 pixels, 100 classes)",
            err=True,
        )


def place_of(device: str) -> torch.device:
    """The device that ``--device`` means.

    Raises:
        ModelError: nothing can be computed there.
    """
    import torch

    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        place = torch.device(chosen)
        if place.type == "meta":
            raise RuntimeError("it computes nothing")
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = (str(error).splitlines() or ["not available"])[0]
        raise ModelError(f"cannot compute on '{device}': {why}; try --device cpu") from None
    return place


@contextmanager
def within_memory(session: Session, batch_size: int, advice: str = "") -> Iterator[None]:
    """Says what to do where the images that are computed together do not fit the device.

    Args:
        session: of the device.
        batch_size: how many images that is.
        advice: what else would help.

    Raises:
        ModelError: they do not.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError:
        raise ModelError(
            f"not enough memory on {session.device}: give a smaller --batch-size than {batch_size}{advice}"
        ) from None


def pictures(images: Sequence[Path], sample: bool) -> list[Path]:
    """The picture files of one call.

    Raises:
        UsageError: none are named, or both files and ``--sample``.
    """
    if sample and images:
        raise click.UsageError("name images or give --sample, not both")
    if not sample and not images:
        raise click.UsageError("name at least one image, or give --sample")
    if not sample:
        return list(images)
    from deconvviz.data.images import sample_path

    return [sample_path()]


@dataclass(frozen=True)
class Target:
    """Where the results of one image and layer go.

    Attributes:
        figure: the figure's file; the manifest and arrays stand beside it under the same name.
        parts: the folder of single tiles.
    """

    figure: Path
    parts: Path


def targets(
    stems: Sequence[str], layers: Sequence[str], out: str | None, ending: str = ""
) -> list[list[Target]]:
    """Where everything goes: one list a stem, one target a layer.

    Args:
        stems: what the results are named after, mostly the pictures' names; numbered where two are the same.
        layers: layer names.
        out: a file (for one figure), a folder, or None for the current folder.
        ending: put after the layer's name.

    Raises:
        UsageError: a file is named for several figures, or its suffix is none that a figure can have.
    """
    folder = Path(out or "")
    single = None
    if out is not None and not out.endswith(("/", os.sep)) and not folder.is_dir() and folder.suffix:
        if folder.suffix.lower() not in FIGURE_SUFFIXES:
            raise click.UsageError(
                f"--out {out}: a figure is a {', '.join(FIGURE_SUFFIXES)} file, a folder ends with /"
            )
        if len(stems) * len(layers) > 1:
            raise click.UsageError(
                f"--out {out} is one file for {len(stems) * len(layers)} figures; name a folder"
            )
        single, folder = folder, folder.parent
    result = []
    for stem in _distinct(stems):
        parts = folder / stem if len(stems) > 1 else folder
        result.append(
            [Target(single or folder / f"{stem}_{layer}{ending}.png", parts / layer) for layer in layers]
        )
    return result


def _distinct(stems: Sequence[str]) -> list[str]:
    """The same names, those that came before with the first free number behind them."""
    taken: set[str] = set()
    names = []
    for stem in stems:
        name, number = stem, 1
        while name in taken or (number > 1 and name in stems):
            number += 1
            name = f"{stem}_{number}"
        taken.add(name)
        names.append(name)
    return names


def for_each_photo(paths: Sequence[Path], work: Callable[[int, Photo], None]) -> None:
    """Decodes the pictures one after the other and does the work; a bad one does not keep the next from it.

    Args:
        paths: the picture files.
        work: takes a picture's place in `paths`, and the picture.

    Raises:
        ImageError: a single picture is bad, or, at the end, how many of several were.
    """
    from deconvviz.data.images import open_photo

    failed = 0
    for i, path in enumerate(paths):
        try:
            work(i, open_photo(path))
        except ImageError as error:
            if len(paths) == 1:
                raise
            click.echo(f"deconvviz: {error}", err=True)
            failed += 1
    if failed:
        raise ImageError(f"{failed} of {len(paths)} images could not be shown; the others are done")


def announce(*paths: Path) -> None:
    """Prints the paths written, one a line."""
    for path in paths:
        click.echo(str(path))
