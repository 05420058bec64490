"""What every command that looks at photographs does first: the network, the pictures, where things go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deconvviz.errors import DeconvvizError, ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from deconvviz.data.images import Photo
    from deconvviz.models import Network

SUFFIXES = (".png", ".svg", ".pdf")
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

    def see(self, photo: Photo) -> Tensor:
        """The photograph as the batch of one that the network sees, on its device."""
        tensor: Tensor = self.network.preset(photo.image)[None].to(self.facts["device"])
        return tensor


def open_session(
    model: str, weights: str, seed: int, device: str, input_size: int | None, quiet: bool
) -> Session:
    """Loads a network for one command; hashes its weights meanwhile."""
    from deconvviz.runs import sha256_later

    file = Path(weights) if weights not in ("default", "random") else None
    digest = sha256_later(file) if file is not None and file.is_file() else None
    import torch

    from deconvviz.models import load_model

    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        place = torch.device(chosen)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = (str(error).splitlines() or ["not available"])[0]
        raise ModelError(f"cannot compute on '{device}': {why}; try --device cpu") from None
    network = load_model(model, weights, seed=seed, input_size=input_size, lean=True, progress=not quiet)
    network.move_to(place)
    if network.origin.path is not None and digest is None:
        digest = sha256_later(network.origin.path)
    if weights == "random" and not quiet:
        click.echo(
            f"note: {model} has random weights: pictures show its architecture, not anything it learned",
            err=True,
        )
    facts: dict[str, Any] = {
        "model": model,
        "weights": {"label": network.origin.label},
        "input_size": network.input_size,
        "device": str(place),
        "seed": seed,
    }
    if network.origin.path is not None:
        facts["weights"]["file"] = str(network.origin.path)
    return Session(network, facts, digest)


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
    images: Sequence[Path], layers: Sequence[str], out: Path | None, ending: str = ""
) -> list[list[Target]]:
    """Where everything goes: one list an image, one target a layer.

    Args:
        images: the picture files; their stems name the results, numbered where two are the same.
        layers: layer names.
        out: a file (for one figure), a folder, or None for the current folder.
        ending: put after the layer's name.

    Raises:
        UsageError: a file is named for several figures, or its suffix is none that a figure can have.
    """
    folder = out or Path()
    single = None
    if out is not None and not out.is_dir() and out.suffix:
        if out.suffix.lower() not in SUFFIXES:
            raise click.UsageError(f"--out {out}: a figure is a {', '.join(SUFFIXES)} file")
        if len(images) * len(layers) > 1:
            count = len(images) * len(layers)
            raise click.UsageError(f"--out {out} is one file for {count} figures; name a folder")
        single, folder = out, out.parent
    seen: dict[str, int] = {}
    result = []
    for image in images:
        stem = image.stem or image.name
        seen[stem] = seen.get(stem, 0) + 1
        stem += f"_{seen[stem]}" if seen[stem] > 1 else ""
        parts = folder / stem if len(images) > 1 else folder
        result.append(
            [Target(single or folder / f"{stem}_{layer}{ending}.png", parts / layer) for layer in layers]
        )
    return result


def each_photo(paths: Sequence[Path]) -> Iterator[tuple[int, Photo]]:
    """Decodes the pictures one after the other; a bad one is reported and the next is tried.

    Raises:
        PicturesError: at the end, where any failed.
    """
    from deconvviz.data.images import open_photo

    failed = 0
    for i, path in enumerate(paths):
        try:
            photo = open_photo(path)
        except DeconvvizError as error:
            if len(paths) == 1:
                raise
            click.echo(f"deconvviz: {error}", err=True)
            failed += 1
            continue
        yield i, photo
    if failed:
        raise PicturesError(f"{failed} of {len(paths)} images could not be shown; the others are done")


class PicturesError(DeconvvizError):
    """Some of several images could not be read."""


def announce(*paths: Path) -> None:
    """Prints the paths written, one a line."""
    for path in paths:
        click.echo(str(path))
