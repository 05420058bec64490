"""What makes pictures of features for ``deconvviz perturb``: a decoder, and on request the optimiser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deconvviz.errors import LayerError

from .decoder_session import Group, opened_decoders
from .optimising import end_as, shown_progress
from .session import Session, within_memory

if TYPE_CHECKING:
    from torch import Tensor

    from deconvviz.decoders.decoder import Decoder
    from deconvviz.decoders.encoding import Encoder


@dataclass(frozen=True)
class Subject:
    """A decoder beside the encoder whose features it takes.

    Attributes:
        session: the network and its facts.
        encoder: gives the features.
        decoder: of one layer.
        label: what files and titles call it.
    """

    session: Session
    encoder: Encoder
    decoder: Decoder
    label: str

    @property
    def layer(self) -> str:
        """Whose features are perturbed."""
        return self.decoder.layer

    @property
    def file_name(self) -> str:
        """The label as part of a file's name."""
        return self.label.replace(" ", "_").replace("/", "_").replace("\\", "_")

    def features(self, seen: Tensor) -> Tensor:
        """(N, ...) of images as the network sees them."""
        return self.encoder(seen, [self.layer])[self.layer]

    def decoded(self, features: Tensor) -> Tensor:
        """(N, 3, S, S) in [0, 1]."""
        from deconvviz.decoders.judging import decoded

        return decoded(self.encoder, self.decoder, features)

    def judged(
        self,
        pictures: Tensor,
        features: Tensor,
        original: Tensor | None = None,
        reference: Tensor | None = None,
    ) -> dict[str, list[float]]:
        """The numbers of pictures made from features."""
        from deconvviz.decoders.judging import judged

        return judged(self.encoder, self.layer, pictures, features, original=original, reference=reference)


def opened_subjects(
    runs: Sequence[Path],
    layers: Sequence[str],
    given: set[str],
    options: dict[str, Any],
    device: str,
    quiet: bool,
) -> list[Subject]:
    """The decoders of some runs, of these layers or of all.

    Raises:
        LayerError: there is none for one of the layers.
        WeightsError: there is no decoder, or it belongs to another network or weights.
    """
    groups = opened_decoders(list(dict.fromkeys(runs)), given, options, device, quiet, layers)
    found = [subject for group in groups for subject in _of(group)]
    for layer in layers:
        if layer not in {subject.layer for subject in found}:
            network = groups[0].session.network
            network.path_of(layer)
            raise LayerError(
                f"no decoder for {layer}; train one with: deconvviz train-decoder --layer {layer} --model "
                f"{network.name}"
            )
    return found


def _of(group: Group) -> list[Subject]:
    return [
        Subject(group.session, group.encoder, decoder, label)
        for decoder, label in zip(group.decoders, group.labels, strict=True)
    ]


@dataclass
class Optimiser:
    """Pre-images of features for the time of one command.

    Attributes:
        preset: of the inversion.
        iterations: its steps; None for the preset's own.
        batch_size: images differentiated together.
        seed: of the noise.
        quiet: show no progress.
        uncut: the feature errors that the last search came to, before its images were cut to pictures; NaN
            where nothing was sought.
        stopped: why the last search ended early; empty where it did not.
        slower: what its rates were multiplied with at the end.
    """

    preset: str
    iterations: int | None
    batch_size: int
    seed: int
    quiet: bool
    uncut: list[float] = field(default_factory=list, init=False)
    stopped: str = field(default="", init=False)
    slower: float = field(default=1.0, init=False)

    def pictures(self, subject: Subject, features: Tensor, what: str) -> list[Tensor | None]:
        """A picture in [0, 1] for each of the features; none for those that are zero all over."""
        from deconvviz.preimage.given import invert_features

        wanted = [i for i in range(len(features)) if bool(features[i].any())]
        found: list[Tensor | None] = [None] * len(features)
        self.uncut = [math.nan] * len(features)
        if not wanted:
            return found
        network = subject.session.network
        with (
            shown_progress(
                what, self.quiet, lambda errors: f"feature error {float(errors.mean()):.3f}"
            ) as watch,
            within_memory(subject.session, self.batch_size),
        ):
            made = invert_features(
                network,
                {subject.layer: features[wanted]},
                self.preset,
                iterations=self.iterations,
                seed=self.seed,
                at_once=self.batch_size,
                watch=watch,
            )
        self.stopped, self.slower = made.stopped, made.slower
        if made.stopped == "interrupted" and not len(made.curve):
            raise KeyboardInterrupt  # there is nothing yet to be shown
        errors = made.errors["feature_error_mv16"][:, 0, 0].tolist()
        for i, image, error in zip(wanted, network.pixels(made.images[:, 0, 0]), errors, strict=True):
            found[i], self.uncut[i] = image, error
        return found

    def end(self) -> None:
        """Ends the command where the last search ended early, once its results are written."""
        end_as(self.stopped, self.slower, self.quiet)

    def facts(self) -> dict[str, Any]:
        """For the manifest."""
        return {"preset": self.preset, "iterations": self.iterations, "stopped": self.stopped}


def note(text: str, quiet: bool) -> None:
    """A line on stderr."""
    if not quiet:
        click.echo(f"note: {text}", err=True)
