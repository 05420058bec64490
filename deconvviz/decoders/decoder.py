"""A trained decoder: its network, what it inverts, and the one file that holds both.

    decoder = load_decoder("decoders/alexnet/conv5")
    decoder.reconstruct(features)               # (N, 3, S, S) in [0, 1]

The file knows the encoder by the sha256 of its weights up to the layer: features of another network, layer or
training are refused by name instead of being turned into a picture that means nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError, WeightsError
from ..models.trained import BEST_FILE, METADATA_KEY
from ..training.checkpoint import save_tensors
from .architecture import decoder_network
from .encoding import Encoder
from .recipes import Recipe, from_fields

_KEY = "decoder"


@dataclass(frozen=True)
class DecoderFacts:
    """What a decoder inverts and how it is built.

    Attributes:
        model: the encoder's name.
        weights: of the encoder, as they were named on the command line.
        layer: whose features it takes.
        shape: of one image's features.
        encoder: sha256 of the encoder's weights up to that layer.
        input_size: side of the encoder's input.
        mean: what images are normalised with, for the encoder and in what the decoder predicts.
        std: likewise.
        target: the side asked of the architecture, see `decoder_network`.
        recipe: all its fields.
    """

    model: str
    weights: str
    layer: str
    shape: tuple[int, ...]
    encoder: str
    input_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    target: int
    recipe: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], label: str) -> DecoderFacts:
        """What `as_dict` wrote.

        Raises:
            WeightsError: something is missing from it.
        """
        known = {f.name for f in fields(cls)}
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in content.items() if k in known
        }
        try:
            return cls(**values)
        except TypeError as error:
            raise WeightsError(f"{label} does not say what it decodes: {error}") from None

    def network(self) -> nn.Module:
        """The decoder's network, freshly drawn."""
        return decoder_network(self.settings, self.shape, self.layer, self.input_size, self.target)

    @property
    def settings(self) -> Recipe:
        """The recipe."""
        return from_fields(self.recipe, f"of the decoder of {self.layer}")


@dataclass(frozen=True)
class Decoder:
    """A decoder ready to be used.

    Attributes:
        facts: what it inverts.
        module: its network, in evaluation mode: (N, *shape) features to (N, 3, S, S) normalised images.
        label: what messages call it.
    """

    facts: DecoderFacts
    module: nn.Module
    label: str = "the decoder"

    @property
    def layer(self) -> str:
        """The layer it inverts."""
        return self.facts.layer

    def reconstruct(self, features: Tensor) -> Tensor:
        """The images that the features stand for.

        Args:
            features: (N, *shape), of the right encoder's layer.

        Returns:
            (N, 3, S, S) float32 in [0, 1], at the decoder's own size.

        Raises:
            ModelError: the features have another shape.
        """
        if tuple(features.shape[1:]) != self.facts.shape:
            raise ModelError(
                f"{self.label} inverts {self.layer} with {self.facts.shape}, not {tuple(features.shape[1:])}"
            )
        with torch.inference_mode():
            return in_pixels(self.module(features.float()), self.facts.mean, self.facts.std).clamp_(0, 1)

    def check(self, encoder: Encoder) -> None:
        """Makes sure that the decoder belongs to this encoder.

        Raises:
            WeightsError: it was trained on another network's, layer's or weights' features.
        """
        facts, network = self.facts, encoder.network
        if facts.model != network.name:
            raise WeightsError(f"{self.label} decodes {facts.model}, not {network.name}")
        if self.layer not in encoder.layers:
            raise WeightsError(f"{self.label} decodes {self.layer}, not {', '.join(encoder.layers)}")
        if facts.input_size != network.input_size:
            raise WeightsError(
                f"{self.label} decodes images of {facts.input_size} pixels, not {network.input_size}; "
                f"say --input-size {facts.input_size} or leave it away"
            )
        if encoder.digest(self.layer) != facts.encoder:
            raise WeightsError(
                f"{self.label} decodes {facts.model} with other weights ({facts.weights}, sha256 "
                f"{facts.encoder[:12]}...) than {network.origin.label}; name those with --weights"
            )


def in_pixels(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Normalised images (N, 3, H, W) as pixels, where what is visible lies in [0, 1]; float32."""
    m, s = (torch.tensor(v, device=images.device).view(-1, 1, 1) for v in (mean, std))
    return images.float() * s + m


def save_decoder(path: Path, facts: DecoderFacts, module: nn.Module, reached: Mapping[str, Any]) -> Path:
    """Writes a decoder in place of an older one.

    Args:
        path: a ``.safetensors`` file.
        facts: what it inverts.
        module: its network.
        reached: epoch and errors, to be kept beside.

    Raises:
        OutputError: the disk is full or the place cannot be written; the older file stays whole.
    """
    return save_tensors(path, module.state_dict(), {_KEY: facts.as_dict(), **reached})


def load_decoder(path: Path | str, device: torch.device | None = None) -> Decoder:
    """A decoder from its file, or from the folder of its run.

    Args:
        path: a ``.safetensors`` file, or the folder that `train_decoders` left for a layer.
        device: where to compute; None for the CPU.

    Raises:
        WeightsError: there is none, it is damaged, or it is no decoder.
    """
    import safetensors

    path = Path(path)
    file = path / BEST_FILE if path.is_dir() else path
    if not file.is_file():
        why = f"has no {BEST_FILE}: its first epoch has not ended" if path.is_dir() else "does not exist"
        raise WeightsError(f"{path} {why}; --decoder takes a run of train-decoder or its file")
    try:
        with safetensors.safe_open(file, framework="pt") as opened:
            told = json.loads((opened.metadata() or {}).get(METADATA_KEY, "{}"))
            state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # no dict
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{file} is damaged or not a safetensors file ({reason})") from None
    if not isinstance(told, dict) or not isinstance(told.get(_KEY), dict):
        raise WeightsError(f"{file} is no decoder; --decoder takes a run of train-decoder or its file")
    facts = DecoderFacts.from_dict(told[_KEY], str(file))
    module = facts.network()
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise WeightsError(f"{file} is damaged: {reason}") from None
    return Decoder(facts, module.to(device or "cpu").eval(), str(path))


def decoder_folders(run: Path) -> list[Path]:
    """The decoders that a folder holds: itself, or those of its layers, by name.

    Raises:
        WeightsError: there are none.
    """
    if not run.is_dir() or (run / BEST_FILE).is_file():
        return [run]
    found = sorted(path.parent for path in run.glob(f"*/{BEST_FILE}"))
    if not found:
        raise WeightsError(f"{run} holds no decoder; train one with: deconvviz train-decoder --layer conv5")
    return found
