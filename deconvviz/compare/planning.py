"""What is asked of a comparison, looked at before anything is computed, and its cells as they are filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..decoders.decoder import Decoder
from ..errors import LayerError, ModelError, WeightsError
from ..models import Network, layer_path
from .advising import train_command
from .answers import Answer, Comparison
from .judging import judged
from .made import Made
from .methods import METHODS, Method, chosen_methods
from .projecting import Recorded

_Cells = Mapping[tuple[str, str], Answer]


class Plan:
    """Layers, methods, decoders and names that fit the network.

    Attributes:
        network: the network.
        layers: each once, in the order asked for.
        methods: in the table's order.
        unserved: layers whose weights are missing.
        decoders: by layer.
        names: of the images.
        originals: (N, 3, H, W) in [0, 1], what the network saw.
    """

    def __init__(
        self,
        network: Network,
        images: Tensor,
        layers: Sequence[str],
        methods: Sequence[str],
        decoders: Sequence[Decoder],
        names: Sequence[str] | None,
    ) -> None:
        """Looks at everything.

        Raises:
            LayerError: no layers, or one that does not exist.
            ModelError: there is no such method, two decoders are of one layer, or the images do not fit.
            WeightsError: a decoder is of another network.
        """
        if not layers:
            raise LayerError("no layers to compare")
        if images.ndim != 4 or not len(images):
            raise ModelError(f"images of {tuple(images.shape)}; a comparison wants (N, 3, H, W)")
        self.network = network
        self.methods = chosen_methods(methods)
        self.layers = tuple(dict.fromkeys(layers))
        paths = {layer: layer_path(network.module, layer, network.paper_names) for layer in self.layers}
        self.unserved = {layer for layer, path in paths.items() if not network.serves(path)}
        self.decoders = self._by_layer(decoders, paths)
        self.names = [f"image {i + 1}" for i in range(len(images))] if names is None else list(names)
        if len(self.names) != len(images):
            raise ModelError(f"{len(self.names)} names for {len(images)} images")
        self.originals = network.pixels(images)

    def _by_layer(self, decoders: Sequence[Decoder], paths: Mapping[str, str]) -> dict[str, Decoder]:
        found: dict[str, Decoder] = {}
        for decoder in decoders:
            if decoder.facts.model != self.network.name:
                raise WeightsError(f"{decoder.label} decodes {decoder.facts.model}, not {self.network.name}")
            own = layer_path(self.network.module, decoder.layer, self.network.paper_names)
            for layer in (layer for layer, path in paths.items() if path == own):
                if layer in found:
                    raise ModelError(
                        f"two decoders of {layer}, {found[layer].label} and {decoder.label}; name one of them"
                    )
                found[layer] = decoder
        return found

    def empty(self, layer: str, method: Method) -> Answer | None:
        """The cell of a layer that a method cannot be tried on; None where it can."""
        if layer in self.unserved:
            advice = f"--weights FILE with values for {layer}; these serve {self.network.served()}"
            return Answer(layer, method.name, missing=f"no weights for {layer}", advice=advice)
        if method.name == "decoder" and layer not in self.decoders:
            command = train_command(self.network, layer)
            return Answer(layer, method.name, missing=f"no decoder for {layer}", advice=command)
        return None

    def answers(
        self, passed: Recorded, first: int, method: Method, made: Made, pair_distance: float, pictures: bool
    ) -> list[Answer]:
        """One method's cells, one of each image of a batch.

        Args:
            passed: the batch's pass up to the layer.
            first: where the batch begins among the images.
            method: that was tried.
            made: what it came to.
            pair_distance: as in `judged`.
            pictures: keep them.
        """
        layer = passed.layer
        answers = [
            Answer(layer, method.name, missing=made.missing.get(row, ""), advice=made.note)
            for row in range(len(passed.images))
        ]
        if made.signals is None or made.pictures is None:
            return answers
        rows = list(made.rows)
        errors = judged(
            self.network,
            layer,
            self.originals[first : first + len(passed.images)][rows],
            passed.features[rows],
            made.signals,
            made.pictures,
            method.projects,
            pair_distance,
        )
        for k, row in enumerate(rows):
            answers[row] = Answer(
                layer,
                method.name,
                signal=made.signals[k].cpu() if pictures else None,
                picture=made.pictures[k].cpu() if pictures else None,
                unit=made.units[k] if made.units else None,
                activation=made.activations[k] if made.activations else torch.nan,
                seconds=made.seconds,
                errors={name: float(values[k]) for name, values in errors.items()},
                note=made.note,
            )
        return answers

    def comparisons(self, sheets: Sequence[_Cells]) -> list[Comparison]:
        """All that was found, one comparison an image; cells that were not reached say so."""
        methods = tuple(method.name for method in self.methods)
        cells = [(layer, method) for layer in self.layers for method in methods]
        return [
            Comparison(
                name=name,
                original=original,
                layers=self.layers,
                methods=methods,
                answers={
                    cell: sheet[cell]
                    if cell in sheet
                    else self.empty(cell[0], METHODS[cell[1]]) or Answer(*cell, missing="interrupted")
                    for cell in cells
                },
            )
            for name, original, sheet in zip(self.names, self.originals.cpu(), sheets, strict=True)
        ]
