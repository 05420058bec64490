"""Decoders that have learnt nothing, for tests that look at what is done with pictures and not at them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import torch

from deconvviz import load_model
from deconvviz.decoders.decoder import DecoderFacts, save_decoder
from deconvviz.decoders.encoding import Encoder
from deconvviz.decoders.recipes import recipe

THIN = {"width": 4, "up_widths": [4, 4, 4, 4], "fc_width": 8, "precision": "float32"}


def untrained_decoders(home: Path) -> Path:
    """The same folder, with ``run/pool2``, ``run/fc3`` and ``run/fc4`` in it, of ``mynets:tiny``, seed 0."""
    shutil.copy(Path(__file__).with_name("mynets.py"), home)
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.chdir(home)
        patch.setattr(sys, "path", sys.path.copy())
        patch.delitem(sys.modules, "mynets", raising=False)
        torch.manual_seed(0)
        network = load_model("mynets:tiny", "random")
        encoder = Encoder(network, ["pool2", "fc3", "fc4"])
        for layer, shape in encoder.shapes.items():
            told = DecoderFacts(
                model=network.name,
                weights="random",
                layer=layer,
                shape=shape,
                encoder=encoder.digest(layer),
                input_size=32,
                mean=network.mean,
                std=network.std,
                target=0,
                recipe=recipe("best", **THIN).as_dict(),
            )
            (home / "run" / layer).mkdir(parents=True)
            module = told.network()
            for parameter in module.parameters():
                parameter.data += 0.2 * torch.randn(parameter.shape)  # other features, other pictures
            save_decoder(home / "run" / layer / "best.safetensors", told, module, {})
    return home
